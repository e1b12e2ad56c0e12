/// What a worker tells, with its lease, of what waits there: what `request_why` goes by.
///
/// Start reading at [TellWaiting].
@NullMarked
package org.pgoffload.worker.delivery.waiting;

import org.jspecify.annotations.NullMarked;
