/// How calls to models are made: when (the limits of each model), how often (what is tried again,
/// and when), of whom (fallbacks), and together with what (embeddings).
///
/// Knows the providers and nothing of Kafka or the database. Start reading at [MakeCalls].
@NullMarked
package org.pgoffload.worker.llm.calls;

import org.jspecify.annotations.NullMarked;
