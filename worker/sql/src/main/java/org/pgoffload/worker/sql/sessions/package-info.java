/// The database sessions that tasks run on, and the tasks that run on them.
///
/// Start reading at [TaskSessions].
@NullMarked
package org.pgoffload.worker.sql.sessions;

import org.jspecify.annotations.NullMarked;
