/// Which offsets may be committed, and their commits.
///
/// Start reading at [CommitOffsets].
@NullMarked
package org.pgoffload.worker.delivery.offsets;

import org.jspecify.annotations.NullMarked;
