/// The processor time of an installation.
@NullMarked
package org.pgoffload.dev.benchmarks.processor;

import org.jspecify.annotations.NullMarked;
