package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOptions;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Part;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.VendorReply;

/// The Gemini API's `generateContent` (ai.google.dev/api/generate-content).
final class GeminiFormat {
  private GeminiFormat() {}

  static ObjectNode question(LlmCall call) {
    var question = Json.object();
    if (call.system() != null) {
      var parts = question.putObject("systemInstruction").putArray("parts");
      parts.addObject().put("text", call.system());
    }
    var contents = question.putArray("contents");
    for (var turn : call.turns()) {
      var role =
          switch (turn.role()) {
            case USER -> "user";
            case ASSISTANT -> "model";
          };
      var parts = contents.addObject().put("role", role).putArray("parts");
      turn.parts().stream().map(GeminiFormat::part).forEach(parts::add);
    }
    var configuration = configuration(call.options());
    if (!configuration.isEmpty()) {
      question.set("generationConfig", configuration);
    }
    return question;
  }

  /// An address goes where the API's own files go
  /// (ai.google.dev/gemini-api/docs/generate-content/file-input-methods).
  private static ObjectNode part(Part part) {
    var json = Json.object();
    switch (part) {
      case Part.Text(var text) -> json.put("text", text);
      case Part.LinkedImage(var url, var mediaType) -> {
        var file = json.putObject("fileData").put("fileUri", url);
        if (mediaType != null) {
          file.put("mimeType", mediaType);
        }
      }
      case Part.InlineImage(var data, var mediaType) ->
          json.putObject("inlineData").put("mimeType", mediaType).put("data", data);
    }
    return json;
  }

  /// The API reads no GIF (ai.google.dev/gemini-api/docs/generate-content/image-understanding).
  static @Nullable String refusesImages(LlmCall call) {
    return call.images().stream().anyMatch(image -> "image/gif".equals(image.mediaType()))
        ? "an image of the media_type image/gif is not known to the Gemini API: give a PNG, JPEG or"
            + " WebP"
        : null;
  }

  private static ObjectNode configuration(LlmOptions options) {
    var configuration = Json.object();
    if (options.temperature() != null) {
      configuration.put("temperature", options.temperature());
    }
    if (options.maxOutputTokens() != null) {
      configuration.put("maxOutputTokens", options.maxOutputTokens());
    }
    if (!options.stop().isEmpty()) {
      options.stop().forEach(configuration.putArray("stopSequences")::add);
    }
    if ("none".equals(options.reasoningEffort())) {
      // The levels have no word for it; a model that always thinks refuses this.
      configuration.putObject("thinkingConfig").put("thinkingBudget", 0);
    } else if (options.reasoningEffort() != null) {
      configuration
          .putObject("thinkingConfig")
          .put("thinkingLevel", options.reasoningEffort().toUpperCase(Locale.ROOT));
    }
    if (options.responseSchema() != null) {
      configuration
          .put("responseMimeType", "application/json")
          .set("responseJsonSchema", options.responseSchema());
    }
    return configuration;
  }

  static LlmOutcome answer(VendorReply reply) {
    var body = reply.body();
    var usage = usage(body.path("usageMetadata"));
    var failure = reply.failure(usage);
    if (failure != null) {
      return failure;
    }
    var candidate = body.path("candidates").path(0);
    if (!candidate.isObject()) {
      var blocked = Json.text(body.path("promptFeedback"), "blockReason");
      return blocked == null
          ? reply.malformed("the reply has no candidate", usage)
          : reply.declined(LlmErrorCode.CONTENT_FILTER, blocked, usage);
    }
    var reason = Json.text(candidate, "finishReason");
    return reason == null
        ? reply.malformed("the reply has no finish reason", usage)
        : reply.finished(text(candidate), reason, Json.text(candidate, "finishMessage"), usage);
  }

  /// The model's thoughts, if any are told, are no answer.
  static String text(JsonNode candidate) {
    var text = new StringBuilder();
    for (var part : candidate.path("content").path("parts")) {
      if (!part.path("thought").asBoolean()) {
        text.append(part.path("text").asText(""));
      }
    }
    return text.toString();
  }

  /// The model's thoughts are counted apart from what it wrote.
  private static Usage usage(JsonNode usage) {
    var thoughts = Json.count(usage, "thoughtsTokenCount");
    return new Usage(
        Json.count(usage, "promptTokenCount"),
        Json.count(usage, "cachedContentTokenCount"),
        Json.count(usage, "candidatesTokenCount") + thoughts,
        thoughts);
  }
}
