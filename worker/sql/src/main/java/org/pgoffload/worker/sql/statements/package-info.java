/// Splits SQL text into its statements. It follows PostgreSQL's own scanner as far as it takes to
/// find where each statement ends and what has to be known of it before it runs; whether it is
/// valid is the server's to say.
///
/// Start reading at [SplitStatements].
@NullMarked
package org.pgoffload.worker.sql.statements;

import org.jspecify.annotations.NullMarked;
