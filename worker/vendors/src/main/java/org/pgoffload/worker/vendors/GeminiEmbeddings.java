package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.EmbedLimits;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.BaseUrl;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.VendorReply;

/// The Gemini API's `batchEmbedContents` (ai.google.dev/api/embeddings).
///
/// @param baseUrl up to and with the version of the API
record GeminiEmbeddings(BaseUrl baseUrl) implements EmbeddingFormat {

  /// A batch has at most a hundred texts. Of tokens only those of one text are told, 8,192; a batch
  /// of a few such texts is large enough.
  static final EmbedLimits LIMITS = new EmbedLimits(100, 40_000);

  @Override
  public URI endpoint(String model) {
    return GeminiProvider.method(baseUrl, model, "batchEmbedContents");
  }

  @Override
  public ObjectNode question(EmbedCall call, String model) {
    var question = Json.object();
    var requests = question.putArray("requests");
    for (var input : call.inputs()) {
      var request = requests.addObject().put("model", "models/" + GeminiProvider.shortName(model));
      request.putObject("content").putArray("parts").addObject().put("text", input);
      if (call.dimensions() != null) {
        request.put("outputDimensionality", call.dimensions());
      }
    }
    return question;
  }

  @Override
  public LlmOutcome answer(VendorReply reply, EmbedCall call) {
    var tokens = Json.count(reply.body().path("usageMetadata"), "promptTokenCount");
    var usage = new Usage(tokens, 0, 0, 0);
    return reply.embedded(embedding -> embedding.path("values"), call.inputs().size(), usage);
  }

  @Override
  public String modelSetting() {
    return "GEMINI_EMBEDDING_MODEL";
  }
}
