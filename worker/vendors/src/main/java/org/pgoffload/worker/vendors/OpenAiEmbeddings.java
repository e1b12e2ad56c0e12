package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Base64;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.EmbedLimits;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.VendorReply;

/// OpenAI's embeddings (developers.openai.com/api/reference/resources/embeddings), which Azure and
/// compatible servers have too.
///
/// @param modelSetting the variable that names the default model
/// @param base64 whether to ask for vectors as base64, a quarter of the bytes of numbers; not every
///   compatible server knows it, and both are read
record OpenAiEmbeddings(URI endpoint, String modelSetting, boolean base64)
    implements EmbeddingFormat {

  /// What OpenAI and Azure take in one request.
  static final EmbedLimits LIMITS = new EmbedLimits(2048, 300_000);

  /// What any compatible server takes: Hugging Face's refuses more than 32 texts by default.
  static final EmbedLimits COMPATIBLE_LIMITS = new EmbedLimits(32, 300_000);

  @Override
  public URI endpoint(String model) {
    return endpoint;
  }

  @Override
  public ObjectNode question(EmbedCall call, String model) {
    var question = texts(call, model);
    return base64 ? question.put("encoding_format", "base64") : question;
  }

  /// The model, the texts and the dimensions, which Ollama's API takes by the same names.
  static ObjectNode texts(EmbedCall call, String model) {
    var question = Json.object().put("model", model);
    call.inputs().forEach(question.putArray("input")::add);
    if (call.dimensions() != null) {
      question.put("dimensions", call.dimensions());
    }
    return question;
  }

  @Override
  public LlmOutcome answer(VendorReply reply, EmbedCall call) {
    var body = reply.body();
    var counts = body.path("usage");
    // Some servers tell the total alone, which is the same.
    var counted = counts.hasNonNull("prompt_tokens") ? "prompt_tokens" : "total_tokens";
    var usage = new Usage(Json.count(counts, counted), 0, 0, 0);
    var data = body.path("data");
    var vectors = new float[data.size()][];
    var at = 0;
    for (var item : data) {
      var index = item.path("index").asInt(at++);
      var vector = vector(item.path("embedding"));
      if (vector == null || index < 0 || index >= vectors.length || vectors[index] != null) {
        return reply.malformed("the reply has an embedding that cannot be read", usage);
      }
      vectors[index] = vector;
    }
    return reply.embedded(List.of(vectors), call.inputs().size(), usage);
  }

  /// Little-endian floats as base64, or an array of numbers; null if it is neither.
  static float @Nullable [] vector(JsonNode embedding) {
    if (embedding.isTextual()) {
      try {
        var bytes = ByteBuffer.wrap(Base64.getDecoder().decode(embedding.textValue()));
        if (bytes.remaining() % Float.BYTES != 0) {
          return null;
        }
        var vector = new float[bytes.remaining() / Float.BYTES];
        bytes.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(vector);
        return vector;
      } catch (IllegalArgumentException notBase64) {
        return null;
      }
    }
    return Json.floats(embedding);
  }
}
