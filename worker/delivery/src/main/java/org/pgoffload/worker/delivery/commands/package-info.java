/// Commands to what waits or runs, which every worker reads.
///
/// Start reading at [ListenToCommands].
@NullMarked
package org.pgoffload.worker.delivery.commands;

import org.jspecify.annotations.NullMarked;
