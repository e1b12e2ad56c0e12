package org.pgoffload.dev.testkit.vendors;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URLDecoder;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.testkit.http.Connection;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.vendors.StubReply.Tokens;

/// Google's Gemini API: `generateContent`, `streamGenerateContent` and `batchEmbedContents` of a
/// model in the path. It tells its id in the body of an answer, and of limits nothing.
///
/// Longer than 300 lines because Gemini has forms of its own for questions, replies, streams,
/// errors and embeddings.
record GeminiDialect() implements Dialect {
  private static final Pattern METHOD =
      Pattern.compile(
          "/v1beta/models/([^/:?]+)"
              + ":(generateContent|streamGenerateContent\\?alt=sse|batchEmbedContents)");

  @Override
  public boolean serves(String path) {
    return METHOD.matcher(path).matches();
  }

  @Override
  public boolean knows(Map<String, String> headers) {
    return VendorStub.KEY.equals(headers.get("x-goog-api-key"))
        && !headers.containsKey("authorization");
  }

  @Override
  public StubQuestion read(Connection.Request request, Body body) throws Violation {
    var path = METHOD.matcher(request.path());
    if (!path.matches()) {
      throw new IllegalArgumentException(request.path());
    }
    var model = URLDecoder.decode(path.group(1), UTF_8);
    var method = path.group(2);
    if (method.equals("batchEmbedContents")) {
      return texts(request.path(), model, body);
    }
    body.allowOnly(Set.of("contents", "systemInstruction", "generationConfig"));
    var system = body.object("systemInstruction", Set.of("parts"));
    return new StubQuestion(
        request.path(),
        model,
        system.json().isMissingNode()
            ? null
            : ContentForm.GEMINI.parts(system.json().path("parts")),
        turns(body),
        options(
            body.object(
                "generationConfig",
                Set.of(
                    "temperature",
                    "maxOutputTokens",
                    "stopSequences",
                    "thinkingConfig",
                    "responseMimeType",
                    "responseJsonSchema"))),
        !method.equals("generateContent"));
  }

  private static List<String> turns(Body body) throws Violation {
    var turns = new ArrayList<String>();
    for (var json : body.json().path("contents")) {
      var content = new Body(json);
      content.allowOnly(Set.of("role", "parts"));
      var role = content.oneOf("role", Set.of("user", "model"));
      turns.add(
          ("model".equals(role) ? "assistant" : role)
              + ": "
              + ContentForm.GEMINI.parts(json.path("parts")));
    }
    if (turns.isEmpty()) {
      throw new Violation("* GenerateContentRequest.contents: contents is not specified");
    }
    return turns;
  }

  private static StubOptions options(Body configuration) throws Violation {
    var thinking =
        configuration.object("thinkingConfig", Set.of("thinkingBudget", "thinkingLevel"));
    var schema = configuration.json().path("responseJsonSchema");
    if (schema.isMissingNode() == configuration.json().has("responseMimeType")) {
      throw new Violation("A schema needs the responseMimeType application/json.");
    }
    configuration.oneOf("responseMimeType", Set.of("application/json"));
    return StubOptions.of(
        configuration.number("temperature"),
        configuration.positiveInteger("maxOutputTokens"),
        configuration.texts("stopSequences", 5),
        effort(thinking),
        schema.isMissingNode() ? null : schema);
  }

  private static @Nullable String effort(Body thinking) throws Violation {
    var level = thinking.oneOf("thinkingLevel", Set.of("MINIMAL", "LOW", "MEDIUM", "HIGH"));
    if (thinking.json().has("thinkingBudget")) {
      if (level != null || thinking.json().path("thinkingBudget").asInt(-2) != 0) {
        throw new Violation("You can only set one of thinking budget and thinking level.");
      }
      return "none";
    }
    return level == null ? null : level.toLowerCase(Locale.ROOT);
  }

  private static StubQuestion texts(String path, String model, Body body) throws Violation {
    body.allowOnly(Set.of("requests"));
    var inputs = new ArrayList<String>();
    Integer dimensions = null;
    for (var json : body.json().path("requests")) {
      var request = new Body(json);
      request.allowOnly(Set.of("model", "content", "outputDimensionality"));
      if (!request.requiredText("model").equals("models/" + model)) {
        throw new Violation("BatchEmbedContentsRequest.model must match each of its requests.");
      }
      var content = request.object("content", Set.of("parts"));
      inputs.add(ContentForm.GEMINI.parts(content.json().path("parts")));
      dimensions = request.positiveInteger("outputDimensionality");
    }
    if (inputs.isEmpty() || inputs.size() > 100) {
      throw new Violation("at most 100 requests can be in one batch");
    }
    return StubQuestion.texts(path, model, inputs, StubOptions.vectors(dimensions, false));
  }

  @Override
  public WireReply.Full render(StubReply.InForm reply, StubQuestion question) {
    return switch (reply) {
      case StubReply.Answer(_, var tokens) when isTexts(question) ->
          vectors(VendorStub.vectors(question), tokens);
      case StubReply.Answer(var text, var tokens) -> candidate(question, text, "STOP", tokens);
      case StubReply.Truncated(var text) -> candidate(question, text, "MAX_TOKENS", Tokens.DEFAULT);
      // The API has no word for it: the model says so.
      case StubReply.Refusal(var words) -> candidate(question, words, "STOP", Tokens.DEFAULT);
      case StubReply.FilteredAnswer() -> candidate(question, "", "SAFETY", Tokens.DEFAULT);
      case StubReply.Empty() -> candidate(question, "", "STOP", Tokens.DEFAULT);
      case StubReply.FilteredPrompt() -> {
        var body = envelope(question);
        body.putObject("promptFeedback").put("blockReason", "PROHIBITED_CONTENT");
        usage(body, new Tokens(120, 0, 0, 0, 0));
        yield Dialect.reply(200, Map.of(), body);
      }
      case StubReply.FailedWith200(var message) ->
          Dialect.reply(200, Map.of(), error(500, "INTERNAL", message));
      case StubReply.Vectors(var vectors) -> vectors(vectors, Tokens.DEFAULT);
      case StubReply.Failure(var kind, var headers) -> failure(kind, question, headers);
    };
  }

  private static boolean isTexts(StubQuestion question) {
    return question.turns().getFirst().startsWith("input: ");
  }

  private static WireReply.Full vectors(List<List<Float>> vectors, Tokens tokens) {
    var body = Dialect.object();
    var embeddings = body.putArray("embeddings");
    for (var vector : vectors) {
      vector.forEach(embeddings.addObject().putArray("values")::add);
    }
    body.putObject("usageMetadata").put("promptTokenCount", tokens.input());
    return Dialect.reply(200, Map.of(), body);
  }

  private static WireReply.Full candidate(
      StubQuestion question, String text, String reason, Tokens tokens) {
    var body = envelope(question);
    var candidate = body.putArray("candidates").addObject().put("index", 0);
    var parts = candidate.putObject("content").put("role", "model").putArray("parts");
    parts.addObject().put("text", "So private a thought.").put("thought", true);
    if (!text.isEmpty()) {
      parts.addObject().put("text", text);
    }
    candidate.put("finishReason", reason);
    usage(body, tokens);
    return Dialect.reply(200, Map.of(), body);
  }

  private static ObjectNode envelope(StubQuestion question) {
    return Dialect.object()
        .put("modelVersion", question.model() + "-2026-11-01")
        .put("responseId", VendorStub.REQUEST_ID);
  }

  private static void usage(ObjectNode body, Tokens tokens) {
    body.putObject("usageMetadata")
        .put("promptTokenCount", tokens.input())
        .put("cachedContentTokenCount", tokens.cached())
        .put("candidatesTokenCount", tokens.output() - tokens.reasoning())
        .put("thoughtsTokenCount", tokens.reasoning())
        .put("totalTokenCount", tokens.input() + tokens.output());
  }

  @Override
  public Events.Some events(ObjectNode body, StubQuestion question) {
    if (!body.has("candidates")) {
      return events(List.of(), List.of(Dialect.event("", body)));
    }
    var candidate = body.path("candidates").path(0);
    var words = new ArrayList<String>();
    var rest = new ArrayList<String>();
    for (var part : candidate.path("content").path("parts")) {
      for (var word : Dialect.words(part.path("text").asText())) {
        words.add(chunk(question, body, word, part.path("thought"), null));
      }
    }
    rest.add(chunk(question, body, "", Dialect.object(), candidate.path("finishReason").asText()));
    return events(words, rest);
  }

  private static String chunk(
      StubQuestion question,
      ObjectNode whole,
      String word,
      JsonNode thought,
      @Nullable String reason) {
    var body = envelope(question);
    var candidate = body.putArray("candidates").addObject().put("index", 0);
    var part =
        candidate
            .putObject("content")
            .put("role", "model")
            .putArray("parts")
            .addObject()
            .put("text", word);
    if (thought.asBoolean()) {
      part.put("thought", true);
    }
    if (reason != null) {
      candidate.put("finishReason", reason);
    }
    // Every event counts; only the last one has counted all.
    var usage = body.putObject("usageMetadata");
    if (reason == null) {
      usage.put("promptTokenCount", 1);
    } else {
      usage.setAll((ObjectNode) Objects.requireNonNull(whole.get("usageMetadata")));
    }
    return Dialect.event("", body);
  }

  private static Events.Some events(List<String> words, List<String> rest) {
    return new Events.Some(Map.of(), "text/event-stream", words, rest, ": ping\n\n");
  }

  @Override
  public String errorEvent() {
    return Dialect.event("", error(503, "UNAVAILABLE", "The model is overloaded."));
  }

  @Override
  public Map<String, String> limits(StubLimits limits) {
    return Map.of();
  }

  @Override
  public WireReply.Full violated(Violation violation) {
    return Dialect.reply(400, Map.of(), error(400, "INVALID_ARGUMENT", violation.words()));
  }

  private static WireReply.Full failure(
      StubReply.Kind kind, StubQuestion question, Map<String, String> headers) {
    var error =
        switch (kind) {
          case WRONG_KEY ->
              reason(
                  error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
                  "API_KEY_INVALID");
          case FORBIDDEN -> error(403, "PERMISSION_DENIED", "Your project has been denied access.");
          case UNKNOWN_MODEL ->
              error(
                  404,
                  "NOT_FOUND",
                  "models/"
                      + question.model()
                      + " is not found for API version v1beta, or is not supported for"
                      + " generateContent.");
          case BAD_REQUEST ->
              error(400, "INVALID_ARGUMENT", "Invalid value: " + question.lastText());
          case UNSUPPORTED_OPTION ->
              error(400, "INVALID_ARGUMENT", "The temperature is not supported for this model.");
          case TOO_LARGE ->
              error(413, "INVALID_ARGUMENT", "Request payload size exceeds the limit.");
          case RATE_LIMITED -> error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.");
          case NO_QUOTA ->
              error(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.");
          case SERVER_ERROR -> error(500, "INTERNAL", "An internal error has occurred.");
          case UNAVAILABLE -> error(503, "UNAVAILABLE", "The model is overloaded.");
          case OVERLOADED -> error(529, "UNAVAILABLE", "The model is overloaded.");
        };
    return Dialect.reply(error.path("error").path("code").asInt(), headers, error);
  }

  private static ObjectNode error(int status, String code, String message) {
    var body = Dialect.object();
    body.putObject("error").put("code", status).put("message", message).put("status", code);
    return body;
  }

  private static ObjectNode reason(ObjectNode error, String reason) {
    error
        .withObject("error")
        .putArray("details")
        .addObject()
        .put("@type", "type.googleapis.com/google.rpc.ErrorInfo")
        .put("reason", reason);
    return error;
  }
}
