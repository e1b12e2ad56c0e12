/// What language models are asked and what they answer, whichever vendor has them.
///
/// Start reading at [LlmProvider].
@NullMarked
package org.pgoffload.worker.models;

import org.jspecify.annotations.NullMarked;
