/// The figures of the bench, and how they are shown: as a table and as a plot.
@NullMarked
package org.pgoffload.dev.benchmarks.report;

import org.jspecify.annotations.NullMarked;
