/// Runs SQL in the background: chooses what may begin, logs in as who launched it, executes the
/// statements in one transaction with the record of their result, and streams the rows.
///
/// Start reading at [RunTask] for a task's way to its one result, and [AttemptTask] for what
/// happens on its session. Packages below: `scheduling` for its turn, `sessions`, `statements` for
/// the reading of SQL text, `rows`.
@NullMarked
package org.pgoffload.worker.sql;

import org.jspecify.annotations.NullMarked;
