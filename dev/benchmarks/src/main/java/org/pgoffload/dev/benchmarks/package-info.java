/// Measures the whole and its parts.
@NullMarked
package org.pgoffload.dev.benchmarks;

import org.jspecify.annotations.NullMarked;
