/// Chooses which of the waiting requests may begin.
///
/// Start reading at [RequestScheduler].
@NullMarked
package org.pgoffload.worker.delivery.scheduling;

import org.jspecify.annotations.NullMarked;
