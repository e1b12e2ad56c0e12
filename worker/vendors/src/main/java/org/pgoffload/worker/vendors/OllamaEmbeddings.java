package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.util.function.UnaryOperator;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.EmbedLimits;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.VendorReply;

/// Ollama's `/api/embed` (docs.ollama.com/api/embed).
record OllamaEmbeddings(URI endpoint) implements EmbeddingFormat {

  /// None is told: a batch that one machine embeds within seconds.
  static final EmbedLimits LIMITS = new EmbedLimits(64, 64_000);

  @Override
  public URI endpoint(String model) {
    return endpoint;
  }

  @Override
  public ObjectNode question(EmbedCall call, String model) {
    // Unless told not to, the API leaves out the end of a text that is too long.
    return OpenAiEmbeddings.texts(call, model).put("truncate", false);
  }

  @Override
  public LlmOutcome answer(VendorReply reply, EmbedCall call) {
    var usage = new Usage(Json.count(reply.body(), "prompt_eval_count"), 0, 0, 0);
    return reply.embedded(UnaryOperator.identity(), call.inputs().size(), usage);
  }

  @Override
  public String modelSetting() {
    return "OLLAMA_EMBEDDING_MODEL";
  }
}
