/// Chooses which tasks may begin.
///
/// Start reading at [TaskScheduler].
@NullMarked
package org.pgoffload.worker.sql.scheduling;

import org.jspecify.annotations.NullMarked;
