/// Runs SQL in the background: chooses what may begin, logs in as who launched it, executes the
/// statements in one transaction with the record of their result, and streams the rows.
///
/// Start reading at [RunTask] for a task's way to its one result, [AttemptTask] for what happens on
/// its session, [TaskScheduler] for its turn, and [SplitStatements] for the reading of SQL text,
/// which follows PostgreSQL's own scanner as far as it takes to find where each statement ends and
/// what has to be known of it before it runs; whether it is valid is the server's to say.
@NullMarked
package org.pgoffload.worker.sql;

import org.jspecify.annotations.NullMarked;
