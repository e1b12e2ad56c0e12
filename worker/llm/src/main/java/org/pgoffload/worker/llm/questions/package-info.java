/// What LLM requests ask for, as their envelopes say.
@NullMarked
package org.pgoffload.worker.llm.questions;

import org.jspecify.annotations.NullMarked;
