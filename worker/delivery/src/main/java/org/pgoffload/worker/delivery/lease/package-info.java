/// The worker's lease, the claims that it fences, and the database's clock.
///
/// Start reading at [Lease].
@NullMarked
package org.pgoffload.worker.delivery.lease;

import org.jspecify.annotations.NullMarked;
