package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Part;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.VendorError;
import org.pgoffload.worker.vendors.http.VendorReply;

/// OpenAI's Responses API, which Azure OpenAI speaks alike
/// (developers.openai.com/api/reference/resources/responses).
final class ResponsesFormat {
  private ResponsesFormat() {}

  static ObjectNode question(LlmCall call, String model) {
    // The vendor keeps answers for 30 days unless told not to.
    var question = Json.object().put("model", model).put("store", false);
    if (call.system() != null) {
      question.put("instructions", call.system());
    }
    ChatCompletionsFormat.turns(question.putArray("input"), call, ResponsesFormat::part);
    var options = call.options();
    if (options.temperature() != null) {
      question.put("temperature", options.temperature());
    }
    if (options.maxOutputTokens() != null) {
      question.put("max_output_tokens", options.maxOutputTokens());
    }
    if (options.reasoningEffort() != null) {
      question.putObject("reasoning").put("effort", options.reasoningEffort());
    }
    if (options.responseSchema() != null) {
      var format = question.putObject("text").putObject("format").put("type", "json_schema");
      StrictSchema.describe(format, options.responseSchema());
    }
    if (call.stream()) {
      question.put("stream", true);
    }
    return question;
  }

  /// An image is its address, which may be a `data:` URL
  /// (developers.openai.com/api/docs/guides/images-vision).
  private static ObjectNode part(Part part) {
    return switch (part) {
      case Part.Text(var text) -> Json.object().put("type", "input_text").put("text", text);
      case Part.Image image ->
          Json.object().put("type", "input_image").put("image_url", image.url());
    };
  }

  /// The API has no stop sequences.
  ///
  /// @param instead what to do about it, beside leaving them out
  static @Nullable String refuses(LlmCall call, String instead) {
    return call.options().stop().isEmpty()
        ? null
        : "the option stop is not known to OpenAI's Responses API: leave it out, or " + instead;
  }

  /// The last event has the whole response; those before it are for the pieces alone.
  static FoldEvents fold() {
    return new FoldEvents() {
      private JsonNode body = Json.object();

      @Override
      public boolean take(JsonNode event, PieceListener pieces) {
        return switch (event.path("type").asText()) {
          case "response.output_text.delta" -> {
            pieces.piece(event.path("delta").asText(""));
            yield false;
          }
          case "response.completed", "response.incomplete", "response.failed" -> {
            body = event.path("response");
            yield true;
          }
          default -> false;
        };
      }

      @Override
      public boolean isComplete() {
        return false;
      }

      @Override
      public JsonNode body() {
        return body;
      }
    };
  }

  static LlmOutcome answer(VendorReply reply) {
    var body = reply.body();
    var usage = ChatCompletionsFormat.usage(body, "input_tokens", "output_tokens");
    var status = body.path("status").asText();
    var failure = reply.failure(usage);
    if (failure != null) {
      return failure;
    }
    if (status.equals("failed") || status.equals("cancelled")) {
      return reply.vendorFailed(VendorError.read(body), usage);
    }
    if (!body.path("output").isArray()) {
      return reply.malformed("the reply has no output", usage);
    }
    var text = new StringBuilder();
    for (var item : body.path("output")) {
      for (var part : item.path("content")) {
        switch (part.path("type").asText()) {
          case "refusal" -> {
            return reply.declined(LlmErrorCode.REFUSAL, Json.text(part, "refusal"), usage);
          }
          case "output_text" -> text.append(part.path("text").asText(""));
          // Reasoning and kinds of parts to come are no answer.
          default -> {}
        }
      }
    }
    return switch (status) {
      case "completed" ->
          reply.finished(
              text.toString(), text.isEmpty() ? insteadOfWords(body) : status, null, usage);
      case "incomplete" ->
          reply.finished(
              text.toString(), Json.text(body.path("incomplete_details"), "reason"), null, usage);
      default -> reply.malformed("the reply has no status that ends a response", usage);
    };
  }

  /// What the model gave in the place of words, such as `function_call`: the API has no other word
  /// for it.
  private static String insteadOfWords(JsonNode body) {
    return body.path("output")
        .valueStream()
        .map(item -> item.path("type").asText())
        .filter(type -> !type.equals("message") && !type.equals("reasoning"))
        .findFirst()
        .orElse("completed");
  }
}
