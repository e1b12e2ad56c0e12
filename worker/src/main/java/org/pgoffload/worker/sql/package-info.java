/// Reads SQL text as PostgreSQL's own scanner does, as far as it takes to find where each statement
/// ends and what has to be known of it before it runs. It never judges whether a statement is
/// valid: that is the server's to say.
///
/// Start reading at [SplitStatements].
@NullMarked
package org.pgoffload.worker.sql;

import org.jspecify.annotations.NullMarked;
