package org.pgoffload.dev.testkit.vendors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.pgoffload.dev.testkit.http.Connection;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.vendors.StubReply.Tokens;

/// Mistral's API: Chat Completions without a refusal and without a filter, and embeddings.
record MistralDialect() implements Dialect {
  static final String PATH = "/mistral/v1/chat/completions";
  private static final String EMBEDDINGS = "/mistral/v1/embeddings";

  @Override
  public boolean serves(String path) {
    return path.equals(PATH) || path.equals(EMBEDDINGS);
  }

  @Override
  public boolean knows(Map<String, String> headers) {
    return Dialect.hasBearer(headers);
  }

  @Override
  public StubQuestion read(Connection.Request request, Body body) throws Violation {
    if (request.path().equals(EMBEDDINGS)) {
      return texts(body);
    }
    body.allowOnly(
        Set.of(
            "model",
            "messages",
            "temperature",
            "max_tokens",
            "stop",
            "reasoning_effort",
            "response_format",
            "stream"));
    var temperature = body.number("temperature");
    if (temperature != null && temperature > 1.5) {
      throw new Violation("temperature: Input should be less than or equal to 1.5");
    }
    var conversation = body.conversation(ContentForm.CHAT_COMPLETIONS);
    return new StubQuestion(
        PATH,
        body.requiredText("model"),
        conversation.system(),
        conversation.turns(),
        StubOptions.of(
            temperature,
            body.positiveInteger("max_tokens"),
            body.texts("stop", 4),
            body.oneOf("reasoning_effort", Set.of("none", "low", "medium", "high")),
            ResponsesDialect.responseFormat(body)),
        body.flag("stream"));
  }

  private static StubQuestion texts(Body body) throws Violation {
    body.allowOnly(Set.of("model", "input", "output_dimension"));
    return StubQuestion.texts(
        EMBEDDINGS,
        body.requiredText("model"),
        body.texts("input", 128),
        StubOptions.vectors(body.positiveInteger("output_dimension"), false));
  }

  @Override
  public WireReply.Full render(StubReply.InForm reply, StubQuestion question) {
    return switch (reply) {
      case StubReply.Answer(_, var tokens) when question.path().equals(EMBEDDINGS) ->
          vectors(VendorStub.vectors(question), question, tokens);
      case StubReply.Answer(var text, var tokens) -> completion(question, text, "stop", tokens);
      case StubReply.Truncated(var text) -> completion(question, text, "length", Tokens.DEFAULT);
      // The API has no word for it: the model says so.
      case StubReply.Refusal(var words) -> completion(question, words, "stop", Tokens.DEFAULT);
      case StubReply.Empty() -> completion(question, "", "stop", Tokens.DEFAULT);
      case StubReply.FailedWith200(var message) -> error(200, "internal_error", message, "3000");
      case StubReply.Vectors(var vectors) -> vectors(vectors, question, Tokens.DEFAULT);
      case StubReply.Failure(var kind, var headers) -> failure(kind, question, headers);
      case StubReply.FilteredAnswer(), StubReply.FilteredPrompt() ->
          throw new IllegalArgumentException("no filter: " + reply);
    };
  }

  private static WireReply.Full vectors(
      List<List<Float>> vectors, StubQuestion question, Tokens tokens) {
    var body =
        Dialect.object().put("object", "list").put("model", question.model() + "-2026-11-01");
    var data = body.putArray("data");
    for (var index = 0; index < vectors.size(); index++) {
      var item = data.addObject().put("object", "embedding").put("index", index);
      vectors.get(index).forEach(item.putArray("embedding")::add);
    }
    body.putObject("usage").put("prompt_tokens", tokens.input()).put("completion_tokens", 0);
    return Dialect.reply(200, requestId(), body);
  }

  private static WireReply.Full completion(
      StubQuestion question, String text, String reason, Tokens tokens) {
    var body = envelope(question, "chat.completion");
    var choice = body.putArray("choices").addObject().put("index", 0).put("finish_reason", reason);
    var content = choice.putObject("message").put("role", "assistant").putArray("content");
    var thinking = content.addObject().put("type", "thinking").putArray("thinking");
    thinking.addObject().put("type", "text").put("text", "So private a thought.");
    if (!text.isEmpty()) {
      content.addObject().put("type", "text").put("text", text);
    }
    return Dialect.reply(200, requestId(), body.set("usage", ChatCompletionsDialect.usage(tokens)));
  }

  private static ObjectNode envelope(StubQuestion question, String kind) {
    return Dialect.object()
        .put("id", "cmpl-stub")
        .put("object", kind)
        .put("created", 1_790_000_000)
        .put("model", question.model() + "-2026-11-01");
  }

  @Override
  public Events.Some events(ObjectNode completion, StubQuestion question) {
    if (!completion.has("choices")) {
      return events(List.of(), List.of(Dialect.event("", completion)));
    }
    var choice = completion.path("choices").path(0);
    var content = choice.path("message").path("content");
    var words = new ArrayList<String>();
    var thought = Dialect.object();
    thought.putArray("content").add(content.path(0));
    words.add(chunk(question, thought));
    Dialect.words(content.path(1).path("text").asText(""))
        .forEach(word -> words.add(chunk(question, Dialect.object().put("content", word))));
    var last = envelope(question, "chat.completion.chunk");
    last.putArray("choices")
        .addObject()
        .put("index", 0)
        .put("finish_reason", choice.path("finish_reason").asText())
        .putObject("delta")
        .put("content", "");
    last.set("usage", completion.path("usage"));
    return events(words, List.of(Dialect.event("", last), "data: [DONE]\n\n"));
  }

  private static String chunk(StubQuestion question, ObjectNode delta) {
    var chunk = envelope(question, "chat.completion.chunk");
    chunk
        .putArray("choices")
        .addObject()
        .put("index", 0)
        .putNull("finish_reason")
        .set("delta", delta);
    return Dialect.event("", chunk);
  }

  private static Events.Some events(List<String> words, List<String> rest) {
    return new Events.Some(requestId(), "text/event-stream", words, rest, ": ping\n\n");
  }

  @Override
  public String errorEvent() {
    return Dialect.event(
        "", body("service_tier_capacity_exceeded", "Service tier capacity exceeded.", "3505"));
  }

  @Override
  public Map<String, String> limits(StubLimits limits) {
    return Map.of(
        "x-ratelimit-limit-req-minute", String.valueOf(limits.requests()),
        "x-ratelimit-remaining-req-minute", String.valueOf(limits.requestsLeft()),
        "x-ratelimit-limit-tokens-minute", String.valueOf(limits.tokens()),
        "x-ratelimit-remaining-tokens-minute", String.valueOf(limits.tokensLeft()));
  }

  @Override
  public WireReply.Full violated(Violation violation) {
    var body = Dialect.object();
    var detail = body.putArray("detail").addObject().put("type", "extra_forbidden");
    detail.putArray("loc").add("body");
    detail.put("msg", violation.words());
    return Dialect.reply(422, requestId(), body);
  }

  private static WireReply.Full failure(
      StubReply.Kind kind, StubQuestion question, Map<String, String> headers) {
    var all = new HashMap<>(headers);
    all.putAll(requestId());
    var invalid = "invalid_request_error";
    return switch (kind) {
      case WRONG_KEY -> Dialect.reply(401, all, Dialect.object().put("detail", "Unauthorized"));
      case FORBIDDEN -> error(403, "forbidden", "Access denied.", "1100", all);
      case UNKNOWN_MODEL ->
          error(400, "invalid_model", "Invalid model: " + question.model(), "1500", all);
      case BAD_REQUEST -> error(400, invalid, "Cannot take " + question.lastText(), "3000", all);
      case UNSUPPORTED_OPTION ->
          error(400, invalid, "temperature is not supported for this model", "3051", all);
      case TOO_LARGE -> error(413, invalid, "Request entity too large", "3000", all);
      case RATE_LIMITED -> error(429, "rate_limited", "Rate limit exceeded", "1300", all);
      case NO_QUOTA -> error(402, "payment_required", "Payment required", "1400", all);
      case SERVER_ERROR -> error(500, "internal_error", "Internal server error", "3000", all);
      case UNAVAILABLE -> error(503, "unavailable", "Service unavailable", "3000", all);
      case OVERLOADED ->
          error(
              529,
              "service_tier_capacity_exceeded",
              "Capacity exceeded for this model.",
              "3505",
              all);
    };
  }

  private static WireReply.Full error(int status, String type, String message, String code) {
    return error(status, type, message, code, requestId());
  }

  private static WireReply.Full error(
      int status, String type, String message, String code, Map<String, String> headers) {
    return Dialect.reply(status, headers, body(type, message, code));
  }

  private static ObjectNode body(String type, String message, String code) {
    return Dialect.object()
        .put("object", "error")
        .put("message", message)
        .put("type", type)
        .putNull("param")
        .put("code", code);
  }

  private static Map<String, String> requestId() {
    return Map.of("mistral-correlation-id", VendorStub.REQUEST_ID);
  }
}
