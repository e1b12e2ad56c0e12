/// Delivers requests to what executes them: consumes, verifies, claims, leases, takes over,
/// publishes.
///
/// Start reading at [ConsumeRequests].
@NullMarked
package org.pgoffload.worker.delivery;

import org.jspecify.annotations.NullMarked;
