package org.pgoffload.dev.testkit.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.testkit.http.Connection;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.vendors.StubReply.Tokens;

/// Anthropic's Messages API.
record MessagesDialect() implements Dialect {

  @Override
  public boolean serves(String path) {
    return path.equals("/v1/messages");
  }

  @Override
  public boolean knows(Map<String, String> headers) {
    return VendorStub.KEY.equals(headers.get("x-api-key")) && !headers.containsKey("authorization");
  }

  @Override
  public StubQuestion read(Connection.Request request, Body body) throws Violation {
    if (!"2023-06-01".equals(request.headers().get("anthropic-version"))) {
      throw new Violation("anthropic-version: header is required");
    }
    body.allowOnly(
        Set.of(
            "model",
            "max_tokens",
            "messages",
            "system",
            "temperature",
            "stop_sequences",
            "thinking",
            "output_config",
            "stream"));
    if (body.positiveInteger("max_tokens") == null) {
      throw new Violation("max_tokens: Field required");
    }
    var output = body.object("output_config", Set.of("effort", "format"));
    return new StubQuestion(
        request.path(),
        body.requiredText("model"),
        body.text("system"),
        body.messages("messages", Set.of("user", "assistant"), ContentForm.MESSAGES),
        StubOptions.of(
            temperature(body),
            body.positiveInteger("max_tokens"),
            body.texts("stop_sequences", 8191),
            effort(body, output),
            schema(output)),
        body.flag("stream"));
  }

  private static @Nullable Double temperature(Body body) throws Violation {
    var temperature = body.number("temperature");
    if (temperature != null && temperature > 1) {
      throw new Violation("temperature: range: 0..1");
    }
    return temperature;
  }

  private static @Nullable String effort(Body body, Body output) throws Violation {
    var thinking = body.object("thinking", Set.of("type")).oneOf("type", Set.of("disabled"));
    var effort = output.oneOf("effort", Set.of("low", "medium", "high", "xhigh", "max"));
    return thinking == null ? effort : "none";
  }

  private static @Nullable JsonNode schema(Body output) throws Violation {
    if (!output.json().has("format")) {
      return null;
    }
    var format = output.object("format", Set.of("type", "schema"));
    format.oneOf("type", Set.of("json_schema"));
    return StubSchema.unlimited(format.json().path("schema"), "output_config.format.schema");
  }

  @Override
  public WireReply.Full render(StubReply.InForm reply, StubQuestion question) {
    return switch (reply) {
      case StubReply.Answer(var text, var tokens) ->
          message(question, text, "end_turn", tokens, "");
      case StubReply.Truncated(var text) ->
          message(question, text, "max_tokens", Tokens.DEFAULT, "");
      case StubReply.Refusal(var words) -> message(question, "", "refusal", Tokens.DEFAULT, words);
      case StubReply.Empty() -> message(question, "", "end_turn", Tokens.DEFAULT, "");
      case StubReply.FilteredAnswer(), StubReply.FilteredPrompt() ->
          error(
              400, "invalid_request_error", "Output blocked by content filtering policy", Map.of());
      case StubReply.FailedWith200(var message) -> error(200, "api_error", message, Map.of());
      case StubReply.Failure(var kind, var headers) -> failure(kind, question, headers);
      case StubReply.Vectors vectors -> throw new IllegalArgumentException("no answer: " + vectors);
    };
  }

  @Override
  public Events.Some events(ObjectNode message, StubQuestion question) {
    if (message.has("error")) {
      return events(List.of(), List.of(Dialect.event("error", message)));
    }
    var begun = message.deepCopy();
    begun.putArray("content");
    begun.putNull("stop_reason").remove("stop_details");
    begun.withObject("usage").put("output_tokens", 1).remove("output_tokens_details");
    var words = new ArrayList<String>();
    words.add(event(Dialect.object().put("type", "message_start").set("message", begun)));
    words.addAll(blocks(message));
    var delta = Dialect.object().put("type", "message_delta");
    delta
        .putObject("delta")
        .put("stop_reason", message.path("stop_reason").asText())
        .putNull("stop_sequence")
        .setAll(stopDetails(message));
    delta.set("usage", withoutInput(message.withObject("usage")));
    return events(
        words, List.of(event(delta), event(Dialect.object().put("type", "message_stop"))));
  }

  private static List<String> blocks(ObjectNode message) {
    var events = new ArrayList<String>();
    var index = 0;
    for (var block : message.path("content")) {
      var type = block.path("type").asText();
      var begin = Dialect.object().put("type", "content_block_start").put("index", index);
      begin.putObject("content_block").put("type", type).put(type, "");
      events.add(event(begin));
      events.add(event(Dialect.object().put("type", "ping")));
      for (var word : Dialect.words(block.path(type).asText())) {
        var delta = Dialect.object().put("type", "content_block_delta").put("index", index);
        delta.putObject("delta").put("type", type + "_delta").put(type, word);
        events.add(event(delta));
      }
      if (type.equals("thinking")) {
        events.add(event(Dialect.object().put("type", "content_block_stop").put("index", index++)));
      }
    }
    return events;
  }

  private static ObjectNode stopDetails(ObjectNode message) {
    var details = Dialect.object();
    if (message.has("stop_details")) {
      details.set("stop_details", message.get("stop_details"));
    }
    return details;
  }

  private static ObjectNode withoutInput(ObjectNode usage) {
    return usage.retain("output_tokens", "output_tokens_details");
  }

  private static String event(ObjectNode data) {
    return Dialect.event(data.path("type").asText(), data);
  }

  private static Events.Some events(List<String> words, List<String> rest) {
    var ping = event(Dialect.object().put("type", "ping"));
    return new Events.Some(
        Map.of("request-id", VendorStub.REQUEST_ID), "text/event-stream", words, rest, ping);
  }

  @Override
  public String errorEvent() {
    return Dialect.event("error", body("overloaded_error", "Overloaded"));
  }

  /// The limit of all tokens is wider here than that of output, which is the one to be read.
  @Override
  public Map<String, String> limits(StubLimits limits) {
    var tokensReset = limits.now().plus(limits.tokensReset()).toString();
    return Map.of(
        "anthropic-ratelimit-requests-limit", String.valueOf(limits.requests()),
        "anthropic-ratelimit-requests-remaining", String.valueOf(limits.requestsLeft()),
        "anthropic-ratelimit-requests-reset", limits.now().plus(limits.requestsReset()).toString(),
        "anthropic-ratelimit-input-tokens-limit", "1000000",
        "anthropic-ratelimit-input-tokens-remaining", "1000000",
        "anthropic-ratelimit-input-tokens-reset", limits.now().toString(),
        "anthropic-ratelimit-output-tokens-limit", String.valueOf(limits.tokens()),
        "anthropic-ratelimit-output-tokens-remaining", String.valueOf(limits.tokensLeft()),
        "anthropic-ratelimit-output-tokens-reset", tokensReset);
  }

  @Override
  public WireReply.Full violated(Violation violation) {
    return error(400, "invalid_request_error", violation.words(), Map.of());
  }

  private static WireReply.Full failure(
      StubReply.Kind kind, StubQuestion question, Map<String, String> headers) {
    return switch (kind) {
      case WRONG_KEY -> error(401, "authentication_error", "invalid x-api-key", headers);
      case FORBIDDEN ->
          error(403, "permission_error", "Your API key does not have permission.", headers);
      case UNKNOWN_MODEL -> error(404, "not_found_error", "model: " + question.model(), headers);
      case BAD_REQUEST ->
          error(400, "invalid_request_error", "messages.0: " + question.lastText(), headers);
      case UNSUPPORTED_OPTION ->
          error(
              400, "invalid_request_error", "`temperature` is deprecated for this model.", headers);
      case TOO_LARGE ->
          error(413, "request_too_large", "Request exceeds the maximum size", headers);
      case RATE_LIMITED ->
          error(429, "rate_limit_error", "This request would exceed your rate limit.", headers);
      case NO_QUOTA -> {
        var body = body("rate_limit_error", "You have reached your API usage limits.");
        body.withObject("error")
            .putObject("details")
            .put("error_code", "enforced_spend_limit_reached");
        yield reply(429, body, headers);
      }
      case SERVER_ERROR -> error(500, "api_error", "Internal server error", headers);
      case UNAVAILABLE -> error(503, "api_error", "Service unavailable", headers);
      case OVERLOADED -> error(529, "overloaded_error", "Overloaded", headers);
    };
  }

  private static WireReply.Full message(
      StubQuestion question, String text, String stopReason, Tokens tokens, String explanation) {
    var message =
        Dialect.object()
            .put("id", "msg_stub")
            .put("type", "message")
            .put("role", "assistant")
            .put("model", question.model() + "-2026-11-01");
    var content = message.putArray("content");
    content.addObject().put("type", "thinking").put("thinking", "").put("signature", "stub");
    if (!text.isEmpty()) {
      content.addObject().put("type", "text").put("text", text);
    }
    message.put("stop_reason", stopReason).putNull("stop_sequence");
    if (!explanation.isEmpty()) {
      message
          .putObject("stop_details")
          .put("type", "refusal")
          .putNull("category")
          .put("explanation", explanation);
    }
    var usage =
        message
            .putObject("usage")
            .put("input_tokens", tokens.input() - tokens.cached() - tokens.written())
            .put("cache_creation_input_tokens", tokens.written())
            .put("cache_read_input_tokens", tokens.cached())
            .put("output_tokens", tokens.output());
    usage.putObject("output_tokens_details").put("thinking_tokens", tokens.reasoning());
    return reply(200, message, Map.of());
  }

  private static WireReply.Full error(
      int status, String type, String message, Map<String, String> headers) {
    return reply(status, body(type, message), headers);
  }

  private static ObjectNode body(String type, String message) {
    var body = Dialect.object().put("type", "error");
    body.putObject("error").put("type", type).put("message", message);
    return body.put("request_id", VendorStub.REQUEST_ID);
  }

  private static WireReply.Full reply(int status, ObjectNode body, Map<String, String> headers) {
    var all = new HashMap<>(headers);
    all.put("request-id", VendorStub.REQUEST_ID);
    return Dialect.reply(status, all, body);
  }
}
