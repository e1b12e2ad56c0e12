package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmOptions;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Part;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.VendorReply;

/// Ollama's `/api/chat` (docs.ollama.com/api/chat).
final class OllamaFormat {
  private OllamaFormat() {}

  static ObjectNode question(LlmCall call, String model) {
    // Unless told not to, the API streams, and leaves out the begin of a prompt that is too long.
    var question =
        Json.object()
            .put("model", model)
            .put("stream", call.stream())
            .put("truncate", false)
            .put("shift", false);
    var messages = question.putArray("messages");
    if (call.system() != null) {
      messages.addObject().put("role", "system").put("content", call.system());
    }
    for (var turn : call.turns()) {
      var message =
          messages.addObject().put("role", turn.role().word()).put("content", turn.text());
      if (!turn.images().isEmpty()) {
        turn.images().stream().map(Part::said).forEach(message.putArray("images")::add);
      }
    }
    var options = call.options();
    if ("none".equals(options.reasoningEffort())) {
      question.put("think", false);
    } else if (options.reasoningEffort() != null) {
      question.put("think", options.reasoningEffort());
    }
    if (options.responseSchema() != null) {
      question.set("format", options.responseSchema());
    }
    var runtime = runtime(options);
    if (!runtime.isEmpty()) {
      question.set("options", runtime);
    }
    return question;
  }

  /// The API takes images as base64 alone, beside the text (docs.ollama.com/capabilities/vision).
  static @Nullable String refusesImages(LlmCall call) {
    return call.images().stream().anyMatch(Part.LinkedImage.class::isInstance)
        ? "the url of an image is not known to Ollama's API: give its data and media_type"
        : null;
  }

  private static ObjectNode runtime(LlmOptions options) {
    var runtime = Json.object();
    if (options.temperature() != null) {
      runtime.put("temperature", options.temperature());
    }
    if (options.maxOutputTokens() != null) {
      runtime.put("num_predict", options.maxOutputTokens());
    }
    if (!options.stop().isEmpty()) {
      options.stop().forEach(runtime.putArray("stop")::add);
    }
    return runtime;
  }

  /// Each event is a reply with the next words; the last one says that it is done.
  static FoldEvents fold() {
    return new FoldEvents() {
      private final StringBuilder text = new StringBuilder();
      private ObjectNode body = Json.object();

      @Override
      public boolean take(JsonNode event, PieceListener pieces) {
        var piece = event.path("message").path("content").asText("");
        text.append(piece);
        pieces.piece(piece);
        if (event instanceof ObjectNode reply) {
          body = reply;
        }
        return event.path("done").asBoolean();
      }

      @Override
      public boolean isComplete() {
        return false;
      }

      @Override
      public JsonNode body() {
        body.putObject("message").put("content", text.toString());
        return body;
      }
    };
  }

  static LlmOutcome answer(VendorReply reply) {
    var body = reply.body();
    var usage =
        new Usage(Json.count(body, "prompt_eval_count"), 0, Json.count(body, "eval_count"), 0);
    var failure = reply.failure(usage);
    if (failure != null) {
      return failure;
    }
    if (!body.path("message").isObject() || !body.path("done").asBoolean()) {
      return reply.malformed("the reply has no message that is done", usage);
    }
    var text = body.path("message").path("content").asText("");
    // Older servers give no reason.
    var reason = Objects.requireNonNullElse(Json.text(body, "done_reason"), "stop");
    return reply.finished(text, reason, null, usage);
  }
}
