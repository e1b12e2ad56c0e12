/// The worker: delivery with its two handlers, of LLM requests and of background SQL.
///
/// Start reading at [WorkerApp], which wires them.
@NullMarked
package org.pgoffload.worker;

import org.jspecify.annotations.NullMarked;
