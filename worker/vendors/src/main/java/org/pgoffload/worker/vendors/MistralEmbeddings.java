package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.EmbedLimits;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.vendors.http.VendorReply;

/// Mistral's embeddings (docs.mistral.ai/api/endpoint/embeddings): OpenAI's, with another name for
/// the dimensions.
record MistralEmbeddings(OpenAiEmbeddings openAi) implements EmbeddingFormat {

  /// More tokens in one request are refused, and so are too many texts; neither number is told, and
  /// these are known to pass.
  static final EmbedLimits LIMITS = new EmbedLimits(64, 16_000);

  @Override
  public URI endpoint(String model) {
    return openAi.endpoint(model);
  }

  @Override
  public ObjectNode question(EmbedCall call, String model) {
    var question = openAi.question(call, model);
    var dimensions = question.remove("dimensions");
    if (dimensions != null) {
      question.set("output_dimension", dimensions);
    }
    return question;
  }

  @Override
  public LlmOutcome answer(VendorReply reply, EmbedCall call) {
    return openAi.answer(reply, call);
  }

  @Override
  public String modelSetting() {
    return openAi.modelSetting();
  }
}
