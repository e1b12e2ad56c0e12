/// Which records are executed: what the database has signed, for this installation, and lately.
///
/// Start reading at [VerifyRequest].
@NullMarked
package org.pgoffload.worker.delivery.trust;

import org.jspecify.annotations.NullMarked;
