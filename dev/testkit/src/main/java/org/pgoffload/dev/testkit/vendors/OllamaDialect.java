package org.pgoffload.dev.testkit.vendors;

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

/// Ollama's own API behind a gateway that wants a key and gives ids: `/api/chat` and `/api/embed`.
/// It streams unless told not to, and has neither refusals nor a filter nor codes of errors.
record OllamaDialect() implements Dialect {
  static final String PATH = "/api/chat";
  private static final String EMBED = "/api/embed";

  @Override
  public boolean serves(String path) {
    return path.equals(PATH) || path.equals(EMBED);
  }

  @Override
  public boolean knows(Map<String, String> headers) {
    return Dialect.hasBearer(headers);
  }

  @Override
  public StubQuestion read(Connection.Request request, Body body) throws Violation {
    return request.path().equals(EMBED) ? texts(body) : messages(body);
  }

  private static StubQuestion messages(Body body) throws Violation {
    body.allowOnly(
        Set.of("model", "messages", "stream", "truncate", "shift", "think", "format", "options"));
    if (body.flag("truncate") || body.flag("shift") || !body.json().has("truncate")) {
      throw new Violation("The stub wants nothing to be left out.");
    }
    if (!body.json().has("stream")) {
      throw new Violation("The stub wants stream to be said.");
    }
    var conversation = body.conversation(ContentForm.OLLAMA);
    var options = body.object("options", Set.of("temperature", "num_predict", "stop"));
    var format = body.json().path("format");
    return new StubQuestion(
        PATH,
        body.requiredText("model"),
        conversation.system(),
        conversation.turns(),
        StubOptions.of(
            options.number("temperature"),
            options.positiveInteger("num_predict"),
            options.texts("stop", 8),
            effort(body),
            format.isMissingNode() ? null : format),
        body.flag("stream"));
  }

  private static @Nullable String effort(Body body) throws Violation {
    if (body.json().path("think").isBoolean()) {
      if (body.flag("think")) {
        throw new Violation("The stub wants no thoughts that nobody asked for.");
      }
      return "none";
    }
    return body.oneOf("think", Set.of("low", "medium", "high"));
  }

  private static StubQuestion texts(Body body) throws Violation {
    body.allowOnly(Set.of("model", "input", "truncate", "dimensions"));
    if (body.flag("truncate") || !body.json().has("truncate")) {
      throw new Violation("The stub wants nothing to be left out.");
    }
    return StubQuestion.texts(
        EMBED,
        body.requiredText("model"),
        body.texts("input", 10_000),
        StubOptions.vectors(body.positiveInteger("dimensions"), false));
  }

  @Override
  public WireReply.Full render(StubReply.InForm reply, StubQuestion question) {
    return switch (reply) {
      case StubReply.Answer(_, var tokens) when question.path().equals(EMBED) ->
          vectors(VendorStub.vectors(question), question, tokens);
      case StubReply.Answer(var text, var tokens) -> message(question, text, "stop", tokens);
      case StubReply.Truncated(var text) -> message(question, text, "length", Tokens.DEFAULT);
      // The API has no word for it: the model says so.
      case StubReply.Refusal(var words) -> message(question, words, "stop", Tokens.DEFAULT);
      case StubReply.Empty() -> message(question, "", "stop", Tokens.DEFAULT);
      case StubReply.FailedWith200(var message) -> error(200, message, Map.of());
      case StubReply.Vectors(var vectors) -> vectors(vectors, question, Tokens.DEFAULT);
      case StubReply.Failure(var kind, var headers) -> failure(kind, question, headers);
      case StubReply.FilteredAnswer(), StubReply.FilteredPrompt() ->
          throw new IllegalArgumentException("no filter: " + reply);
    };
  }

  private static WireReply.Full vectors(
      List<List<Float>> vectors, StubQuestion question, Tokens tokens) {
    var body = envelope(question);
    var embeddings = body.putArray("embeddings");
    vectors.forEach(vector -> vector.forEach(embeddings.addArray()::add));
    return reply(200, body.put("prompt_eval_count", tokens.input()), Map.of());
  }

  private static WireReply.Full message(
      StubQuestion question, String text, String reason, Tokens tokens) {
    var body = envelope(question);
    body.putObject("message")
        .put("role", "assistant")
        .put("content", text)
        .put("thinking", "So private a thought.");
    return reply(
        200,
        body.put("done", true)
            .put("done_reason", reason)
            .put("total_duration", 5_000_000)
            .put("prompt_eval_count", tokens.input())
            .put("eval_count", tokens.output()),
        Map.of());
  }

  private static ObjectNode envelope(StubQuestion question) {
    return Dialect.object()
        .put("model", question.model() + "-2026-11-01")
        .put("created_at", "2026-11-21T10:00:00.000000Z");
  }

  @Override
  public Events.Some events(ObjectNode body, StubQuestion question) {
    if (body.has("error")) {
      return events(List.of(), List.of(body + "\n"));
    }
    var words = new ArrayList<String>();
    words.add(chunk(question, "", body.path("message").path("thinking").asText()));
    Dialect.words(body.path("message").path("content").asText())
        .forEach(word -> words.add(chunk(question, word, "")));
    body.putObject("message").put("role", "assistant").put("content", "");
    return events(words, List.of(body + "\n"));
  }

  private static String chunk(StubQuestion question, String word, String thought) {
    var chunk = envelope(question);
    var message = chunk.putObject("message").put("role", "assistant").put("content", word);
    if (!thought.isEmpty()) {
      message.put("thinking", thought);
    }
    return chunk.put("done", false) + "\n";
  }

  private static Events.Some events(List<String> words, List<String> rest) {
    return new Events.Some(requestId(), "application/x-ndjson", words, rest, "\n");
  }

  @Override
  public String errorEvent() {
    return Dialect.object().put("error", "server busy, please try again.") + "\n";
  }

  @Override
  public Map<String, String> limits(StubLimits limits) {
    return Map.of();
  }

  @Override
  public WireReply.Full violated(Violation violation) {
    return error(400, violation.words(), Map.of());
  }

  private static WireReply.Full failure(
      StubReply.Kind kind, StubQuestion question, Map<String, String> headers) {
    return switch (kind) {
      case WRONG_KEY -> error(401, "unauthorized", headers);
      case FORBIDDEN -> error(403, "cloud models are disabled", headers);
      case UNKNOWN_MODEL -> error(404, "model '" + question.model() + "' not found", headers);
      case BAD_REQUEST -> error(400, "cannot take " + question.lastText(), headers);
      case UNSUPPORTED_OPTION ->
          error(400, "\"" + question.model() + "\" does not support temperature", headers);
      case TOO_LARGE -> error(413, "http: request body too large", headers);
      case RATE_LIMITED -> error(429, "too many requests", headers);
      case NO_QUOTA -> error(429, "you have reached your weekly usage limit", headers);
      case SERVER_ERROR -> error(500, "the model failed to generate a response", headers);
      case UNAVAILABLE -> error(503, "server busy, please try again.", headers);
      case OVERLOADED -> error(529, "server busy, please try again.", headers);
    };
  }

  private static WireReply.Full error(int status, String words, Map<String, String> headers) {
    return reply(status, Dialect.object().put("error", words), headers);
  }

  private static WireReply.Full reply(int status, ObjectNode body, Map<String, String> headers) {
    var all = new HashMap<>(headers);
    all.putAll(requestId());
    return Dialect.reply(status, all, body);
  }

  private static Map<String, String> requestId() {
    return Map.of("x-request-id", VendorStub.REQUEST_ID);
  }
}
