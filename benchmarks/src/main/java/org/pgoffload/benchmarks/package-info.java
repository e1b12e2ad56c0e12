/// Measures the whole and its parts.
@NullMarked
package org.pgoffload.benchmarks;

import org.jspecify.annotations.NullMarked;
