package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Set;
import java.util.function.Function;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Part;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.VendorError;
import org.pgoffload.worker.vendors.http.VendorReply;

/// OpenAI's Chat Completions API, which every compatible server speaks
/// (developers.openai.com/api/reference/resources/chat).
final class ChatCompletionsFormat {
  /// The types of parts that are text; gateways to the newer API pass on its own.
  private static final Set<String> TEXTS = Set.of("text", "output_text");

  private ChatCompletionsFormat() {}

  /// @param tokenLimitField `max_completion_tokens` for OpenAI, whose reasoning models refuse the
  ///   older name; `max_tokens` for the others, of which many know only that
  static ObjectNode question(LlmCall call, String model, String tokenLimitField) {
    var question = Json.object().put("model", model);
    var messages = question.putArray("messages");
    if (call.system() != null) {
      messages.addObject().put("role", "system").put("content", call.system());
    }
    turns(messages, call, ChatCompletionsFormat::part);
    var options = call.options();
    if (options.temperature() != null) {
      question.put("temperature", options.temperature());
    }
    if (options.maxOutputTokens() != null) {
      question.put(tokenLimitField, options.maxOutputTokens());
    }
    if (!options.stop().isEmpty()) {
      options.stop().forEach(question.putArray("stop")::add);
    }
    if (options.reasoningEffort() != null) {
      question.put("reasoning_effort", options.reasoningEffort());
    }
    if (options.responseSchema() != null) {
      var format = question.putObject("response_format").put("type", "json_schema");
      StrictSchema.describe(format.putObject("json_schema"), options.responseSchema());
    }
    if (call.stream()) {
      // The tokens are not told of a stream otherwise.
      question.put("stream", true).putObject("stream_options").put("include_usage", true);
    }
    return question;
  }

  /// Adds the conversation, each turn as a message with a role. The content of a turn with an image
  /// is a list of parts; any other is a text, which every server takes.
  ///
  /// @param form the API's form of a part
  static void turns(ArrayNode messages, LlmCall call, Function<Part, ObjectNode> form) {
    for (var turn : call.turns()) {
      var message = messages.addObject().put("role", turn.role().word());
      if (turn.images().isEmpty()) {
        message.put("content", turn.text());
      } else {
        turn.parts().stream().map(form).forEach(message.putArray("content")::add);
      }
    }
  }

  /// The address of an image is an object of its own
  /// (developers.openai.com/api/docs/guides/images-vision, docs.mistral.ai/capabilities/vision).
  private static ObjectNode part(Part part) {
    var json = Json.object();
    switch (part) {
      case Part.Text(var text) -> json.put("type", "text").put("text", text);
      case Part.Image image ->
          json.put("type", "image_url").putObject("image_url").put("url", image.url());
    }
    return json;
  }

  static FoldEvents fold() {
    return new FoldChunks();
  }

  static LlmOutcome answer(VendorReply reply) {
    var body = reply.body();
    var usage = usage(body, "prompt_tokens", "completion_tokens");
    var failure = reply.failure(usage);
    if (failure != null) {
      return failure;
    }
    var choice = Json.first(body.path("choices"));
    if (VendorError.isIn(choice)) {
      // As a gateway tells what befell the server behind it.
      return reply.vendorFailed(VendorError.read(choice), usage);
    }
    var message = choice.path("message");
    if (!message.isObject()) {
      return reply.malformed("the reply has no choice with a message", usage);
    }
    var refusal = Json.text(message, "refusal");
    if (refusal != null && !refusal.isBlank()) {
      return reply.declined(LlmErrorCode.REFUSAL, refusal, usage);
    }
    var text = text(message.path("content"));
    return reply.finished(text, Json.text(choice, "finish_reason"), null, usage);
  }

  /// A text, or with some servers an array of parts, of which the model's thoughts are no answer.
  static String text(JsonNode content) {
    if (!content.isArray()) {
      return content.asText("");
    }
    var text = new StringBuilder();
    for (var part : content) {
      if (TEXTS.contains(part.path("type").asText())) {
        text.append(part.path("text").asText(""));
      }
    }
    return text.toString();
  }

  /// The tokens that a body of either of OpenAI's APIs tells.
  ///
  /// @param input the field of the tokens that were read
  /// @param output the field of the tokens that were written
  static Usage usage(JsonNode body, String input, String output) {
    var usage = body.path("usage");
    return new Usage(
        Json.count(usage, input),
        Json.count(usage.path(input + "_details"), "cached_tokens"),
        Json.count(usage, output),
        Json.count(usage.path(output + "_details"), "reasoning_tokens"));
  }
}
