package org.pgoffload.worker.llm.stub;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.pgoffload.worker.llm.stub.StubReply.Tokens;

/// The Responses API of OpenAI and of Azure's v1 path, which differ in path, key and errors.
record ResponsesDialect(boolean azure) implements Dialect {

  @Override
  public String path() {
    return azure ? "/openai/v1/responses" : "/v1/responses";
  }

  @Override
  public boolean knows(Map<String, String> headers) {
    return azure
        ? VendorStub.KEY.equals(headers.get("api-key")) && !headers.containsKey("authorization")
        : ("Bearer " + VendorStub.KEY).equals(headers.get("authorization"))
            && !headers.containsKey("api-key");
  }

  @Override
  public StubQuestion read(Map<String, String> headers, Body body) throws Violation {
    body.allowOnly(
        Set.of("model", "input", "instructions", "temperature", "max_output_tokens", "store"));
    if (!body.json().path("store").isBoolean() || body.json().path("store").booleanValue()) {
      throw new Violation("The stub wants store to be false.");
    }
    return new StubQuestion(
        path(),
        body.requiredText("model"),
        body.text("instructions"),
        body.messages("input", Set.of("user", "assistant", "system", "developer")),
        body.number("temperature"),
        body.positiveInteger("max_output_tokens"));
  }

  @Override
  public WireReply.Full render(StubReply reply, StubQuestion question) {
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
      case StubReply.Misbehaviour misbehaviour ->
          throw new IllegalArgumentException("no vendor's form: " + misbehaviour);
    };
  }

  @Override
  public WireReply.Full violated(Violation violation) {
    return OpenAiErrors.error(
        400, violation.words(), "invalid_request_error", "unknown_parameter", requestId());
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
