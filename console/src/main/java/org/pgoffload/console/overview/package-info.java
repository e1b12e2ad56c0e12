/// The first page: what waits and runs, how fast, what fails, what it costs, and what to do.
///
/// Start reading at [OverviewPage], then [SampleOverview].
@NullMarked
package org.pgoffload.console.overview;

import org.jspecify.annotations.NullMarked;
