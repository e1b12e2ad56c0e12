package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Part;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.VendorReply;

/// Anthropic's Messages API (platform.claude.com/docs/en/api/messages).
final class MessagesFormat {
  /// The API wants a limit in every request. It covers the model's thinking too, for which 4096 is
  /// little; much more would be refused without streaming, as too long to wait for.
  static final int DEFAULT_MAX_TOKENS = 16_000;

  private MessagesFormat() {}

  static ObjectNode question(LlmCall call, String model) {
    var options = call.options();
    var limit = options.maxOutputTokens() == null ? DEFAULT_MAX_TOKENS : options.maxOutputTokens();
    var question = Json.object().put("model", model).put("max_tokens", limit);
    if (call.system() != null) {
      question.put("system", call.system());
    }
    ChatCompletionsFormat.turns(question.putArray("messages"), call, MessagesFormat::part);
    if (options.temperature() != null) {
      question.put("temperature", options.temperature());
    }
    if (!options.stop().isEmpty()) {
      options.stop().forEach(question.putArray("stop_sequences")::add);
    }
    if ("none".equals(options.reasoningEffort())) {
      question.putObject("thinking").put("type", withoutThinking(model));
    } else if (options.reasoningEffort() != null) {
      question.withObject("output_config").put("effort", options.reasoningEffort());
    }
    if (options.responseSchema() != null) {
      question
          .withObject("output_config")
          .putObject("format")
          .put("type", "json_schema")
          .set("schema", AnthropicSchema.of(options.responseSchema()));
    }
    if (call.stream()) {
      question.put("stream", true);
    }
    return question;
  }

  /// An image has a source (platform.claude.com/docs/en/build-with-claude/vision).
  private static ObjectNode part(Part part) {
    var json = Json.object();
    switch (part) {
      case Part.Text(var text) -> json.put("type", "text").put("text", text);
      case Part.LinkedImage(var url, _) ->
          json.put("type", "image").putObject("source").put("type", "url").put("url", url);
      case Part.InlineImage(var data, var mediaType) ->
          json.put("type", "image")
              .putObject("source")
              .put("type", "base64")
              .put("media_type", mediaType)
              .put("data", data);
    }
    return json;
  }

  /// One model alone has another word for no thinking
  /// (platform.claude.com/docs/en/models/sonnet-5-5/whats-new-sonnet-5-5). Models that always think
  /// refuse both, in words of their own.
  private static String withoutThinking(String model) {
    return model.startsWith("claude-sonnet-5-5") ? "between_tools" : "disabled";
  }

  static LlmOutcome answer(VendorReply reply) {
    var body = reply.body();
    var usage = usage(body.path("usage"));
    var failure = reply.failure(usage);
    if (failure != null) {
      return failure;
    }
    if (!body.path("content").isArray()) {
      return reply.malformed("the reply has no content", usage);
    }
    var text = new StringBuilder();
    for (var block : body.path("content")) {
      if (block.path("type").asText().equals("text")) {
        text.append(block.path("text").asText(""));
      }
    }
    return reply.finished(
        text.toString(),
        Json.text(body, "stop_reason"),
        Json.text(body.path("stop_details"), "explanation"),
        usage);
  }

  private static Usage usage(JsonNode usage) {
    var cached = Json.count(usage, "cache_read_input_tokens");
    var written = Json.count(usage, "cache_creation_input_tokens");
    return new Usage(
        Json.count(usage, "input_tokens") + cached + written,
        cached,
        Json.count(usage, "output_tokens"),
        Json.count(usage.path("output_tokens_details"), "thinking_tokens"));
  }
}
