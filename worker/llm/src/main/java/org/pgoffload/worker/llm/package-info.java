/// Executes LLM requests.
///
/// Start reading at [LlmRequestHandler], then [AnswerRequest].
@NullMarked
package org.pgoffload.worker.llm;

import org.jspecify.annotations.NullMarked;
