package org.pgoffload.dev.testkit.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.testkit.http.Connection;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.vendors.StubReply.Tokens;

/// The Responses API of OpenAI and of Azure's v1 path, which differ in path, key and errors.
record ResponsesDialect(boolean azure) implements Dialect {
  static final Set<String> EFFORTS = Set.of("none", "minimal", "low", "medium", "high", "xhigh");

  @Override
  public boolean serves(String path) {
    return path.equals(azure ? "/openai/v1/responses" : "/v1/responses");
  }

  @Override
  public boolean knows(Map<String, String> headers) {
    var authorization = headers.get("authorization");
    var key = headers.get("api-key");
    if (!azure) {
      return ("Bearer " + VendorStub.KEY).equals(authorization) && key == null;
    }
    return key == null
        ? ("Bearer " + VendorStub.TOKEN).equals(authorization)
        : key.equals(VendorStub.KEY) && authorization == null;
  }

  @Override
  public StubQuestion read(Connection.Request request, Body body) throws Violation {
    body.allowOnly(
        Set.of(
            "model",
            "input",
            "instructions",
            "temperature",
            "max_output_tokens",
            "store",
            "reasoning",
            "text",
            "stream"));
    if (!body.json().path("store").isBoolean() || body.json().path("store").booleanValue()) {
      throw new Violation("The stub wants store to be false.");
    }
    var format =
        body.object("text", Set.of("format"))
            .object("format", Set.of("type", "name", "strict", "schema"));
    return new StubQuestion(
        request.path(),
        body.requiredText("model"),
        body.text("instructions"),
        body.messages(
            "input", Set.of("user", "assistant", "system", "developer"), ContentForm.RESPONSES),
        StubOptions.of(
            body.number("temperature"),
            body.positiveInteger("max_output_tokens"),
            List.of(),
            body.object("reasoning", Set.of("effort")).oneOf("effort", EFFORTS),
            schema(format)),
        body.flag("stream"));
  }

  /// The schema of a format that OpenAI's two APIs have alike.
  static @Nullable JsonNode schema(Body format) throws Violation {
    if (format.json().isMissingNode()) {
      return null;
    }
    format.oneOf("type", Set.of("json_schema"));
    format.requiredText("name");
    var schema = format.object("schema", fields(format.json().path("schema"))).json();
    return format.flag("strict") ? StubSchema.strict(schema, "response_format") : schema;
  }

  /// The schema of the field `response_format` of Chat Completions.
  static @Nullable JsonNode responseFormat(Body body) throws Violation {
    var format = body.object("response_format", Set.of("type", "json_schema"));
    format.oneOf("type", Set.of("json_schema"));
    return schema(format.object("json_schema", Set.of("name", "strict", "schema")));
  }

  private static Set<String> fields(JsonNode node) {
    var names = new HashSet<String>();
    node.fieldNames().forEachRemaining(names::add);
    return names;
  }

  @Override
  public WireReply.Full render(StubReply.InForm reply, StubQuestion question) {
    return switch (reply) {
      case StubReply.Answer(var text, var tokens) ->
          response(question, "completed", text, "output_text", tokens, "");
      case StubReply.Truncated(var text) ->
          response(
              question, "incomplete", text, "output_text", Tokens.DEFAULT, "max_output_tokens");
      case StubReply.Refusal(var words) ->
          response(question, "completed", words, "refusal", Tokens.DEFAULT, "");
      case StubReply.FilteredAnswer() ->
          response(question, "incomplete", "", "output_text", Tokens.DEFAULT, "content_filter");
      case StubReply.Empty() ->
          response(question, "completed", "", "output_text", Tokens.DEFAULT, "");
      case StubReply.FilteredPrompt() -> OpenAiErrors.filteredPrompt(requestId());
      case StubReply.FailedWith200(var message) -> failed(question, message);
      case StubReply.Failure(var kind, var headers) -> {
        var all = new HashMap<>(headers);
        all.putAll(requestId());
        yield azure
            ? OpenAiErrors.azure(kind, question, all)
            : OpenAiErrors.openAi(kind, question, all);
      }
      case StubReply.Vectors vectors -> throw new IllegalArgumentException("no answer: " + vectors);
    };
  }

  @Override
  public Events.Some events(ObjectNode response, StubQuestion question) {
    var words = new ArrayList<String>();
    words.add(event("response.created", "response", envelope(question, "in_progress")));
    var item = Dialect.object().put("type", "message").put("id", "msg_stub");
    words.add(event("response.output_item.added", "item", item));
    var part = response.path("output").path(1).path("content").path(0);
    var text = part.path("text").asText();
    Dialect.words(text).forEach(word -> words.add(delta("response.output_text.delta", word)));
    var rest = new ArrayList<String>();
    Dialect.words(part.path("refusal").asText())
        .forEach(word -> rest.add(delta("response.refusal.delta", word)));
    var done = Dialect.object().put("type", "response.output_text.done").put("text", text);
    rest.add(Dialect.event("response.output_text.done", done));
    rest.add(event("response." + response.path("status").asText(), "response", response));
    return new Events.Some(requestId(), "text/event-stream", words, rest, ": keep-alive\n\n");
  }

  private static String event(String type, String field, ObjectNode value) {
    return Dialect.event(type, Dialect.object().put("type", type).set(field, value));
  }

  private static String delta(String type, String word) {
    return Dialect.event(type, Dialect.object().put("type", type).put("delta", word));
  }

  @Override
  public String errorEvent() {
    return Dialect.event(
        "error",
        Dialect.object()
            .put("type", "error")
            .put("code", "server_is_overloaded")
            .put("message", "Our servers are currently overloaded.")
            .putNull("param"));
  }

  @Override
  public WireReply.Full violated(Violation violation) {
    return OpenAiErrors.error(
        400, violation.words(), "invalid_request_error", "unknown_parameter", requestId());
  }

  @Override
  public Map<String, String> limits(StubLimits limits) {
    return Dialect.openAiLimits(limits);
  }

  private Map<String, String> requestId() {
    return Map.of(azure ? "apim-request-id" : "x-request-id", VendorStub.REQUEST_ID);
  }

  private WireReply.Full failed(StubQuestion question, String message) {
    var response = envelope(question, "failed");
    response.putObject("error").put("code", "server_error").put("message", message);
    response.putArray("output");
    response.putNull("usage");
    return Dialect.reply(200, requestId(), response);
  }

  private WireReply.Full response(
      StubQuestion question,
      String status,
      String text,
      String partType,
      Tokens tokens,
      String incompleteReason) {
    var response = envelope(question, status);
    response.putNull("error");
    if (incompleteReason.isEmpty()) {
      response.putNull("incomplete_details");
    } else {
      response.putObject("incomplete_details").put("reason", incompleteReason);
    }
    var output = response.putArray("output");
    var reasoning = output.addObject().put("id", "rs_stub").put("type", "reasoning");
    reasoning.putArray("summary");
    if (!text.isEmpty()) {
      var message =
          output
              .addObject()
              .put("id", "msg_stub")
              .put("type", "message")
              .put("status", status)
              .put("role", "assistant");
      var part = message.putArray("content").addObject().put("type", partType);
      if (partType.equals("refusal")) {
        part.put("refusal", text);
      } else {
        part.put("text", text).putArray("annotations");
      }
    }
    var usage = response.putObject("usage").put("input_tokens", tokens.input());
    usage.putObject("input_tokens_details").put("cached_tokens", tokens.cached());
    usage.put("output_tokens", tokens.output());
    usage.putObject("output_tokens_details").put("reasoning_tokens", tokens.reasoning());
    usage.put("total_tokens", tokens.input() + tokens.output());
    return Dialect.reply(200, requestId(), response);
  }

  private static ObjectNode envelope(StubQuestion question, String status) {
    return Dialect.object()
        .put("id", "resp_stub")
        .put("object", "response")
        .put("created_at", 1_790_000_000)
        .put("status", status)
        .put("model", question.model() + "-2026-11-01")
        .put("store", false);
  }
}
