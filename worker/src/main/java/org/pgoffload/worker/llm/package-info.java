/// Executes LLM requests.
///
/// Start reading at [LlmLane], then [AnswerRequest].
@NullMarked
package org.pgoffload.worker.llm;

import org.jspecify.annotations.NullMarked;
