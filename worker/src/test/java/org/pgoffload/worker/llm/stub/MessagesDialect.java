package org.pgoffload.worker.llm.stub;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.pgoffload.worker.llm.stub.StubReply.Tokens;

/// Anthropic's Messages API.
record MessagesDialect() implements Dialect {

  @Override
  public String path() {
    return "/v1/messages";
  }

  @Override
  public boolean knows(Map<String, String> headers) {
    return VendorStub.KEY.equals(headers.get("x-api-key")) && !headers.containsKey("authorization");
  }

  @Override
  public StubQuestion read(Map<String, String> headers, Body body) throws Violation {
    if (!"2023-06-01".equals(headers.get("anthropic-version"))) {
      throw new Violation("anthropic-version: header is required");
    }
    body.allowOnly(Set.of("model", "max_tokens", "messages", "system", "temperature"));
    if (body.positiveInteger("max_tokens") == null) {
      throw new Violation("max_tokens: Field required");
    }
    return new StubQuestion(
        path(),
        body.requiredText("model"),
        body.text("system"),
        body.messages("messages", Set.of("user", "assistant")),
        body.number("temperature"),
        body.positiveInteger("max_tokens"));
  }

  @Override
  public WireReply.Full render(StubReply reply, StubQuestion question) {
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
      case StubReply.Misbehaviour misbehaviour ->
          throw new IllegalArgumentException("no vendor's form: " + misbehaviour);
    };
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
