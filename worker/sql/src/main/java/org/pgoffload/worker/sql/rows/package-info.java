/// Gathers the rows of a task: their columns, their text, and the chunks that are published.
///
/// Start reading at [GatherRows].
@NullMarked
package org.pgoffload.worker.sql.rows;

import org.jspecify.annotations.NullMarked;
