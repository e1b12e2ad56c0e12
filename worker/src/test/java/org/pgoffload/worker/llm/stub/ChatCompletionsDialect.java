package org.pgoffload.worker.llm.stub;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.pgoffload.worker.llm.stub.StubReply.Tokens;

/// Chat Completions, as Ollama, vLLM and llama.cpp serve it. A key is not needed; one that is given
/// has to be right.
record ChatCompletionsDialect() implements Dialect {

  @Override
  public String path() {
    return "/v1/chat/completions";
  }

  @Override
  public boolean knows(Map<String, String> headers) {
    var key = headers.get("authorization");
    return key == null || key.equals("Bearer " + VendorStub.KEY);
  }

  @Override
  public StubQuestion read(Map<String, String> headers, Body body) throws Violation {
    body.allowOnly(
        Set.of("model", "messages", "temperature", "max_tokens", "max_completion_tokens"));
    var limit = body.positiveInteger("max_tokens");
    var turns = new ArrayList<>(body.messages("messages", Set.of("system", "user", "assistant")));
    var system =
        turns.getFirst().startsWith("system: ")
            ? turns.removeFirst().substring("system: ".length())
            : null;
    return new StubQuestion(
        path(),
        body.requiredText("model"),
        system,
        turns,
        body.number("temperature"),
        limit == null ? body.positiveInteger("max_completion_tokens") : limit);
  }

  @Override
  public WireReply.Full render(StubReply reply, StubQuestion question) {
    return switch (reply) {
      case StubReply.Answer(var text, var tokens) -> completion(question, text, "", "stop", tokens);
      case StubReply.Truncated(var text) ->
          completion(question, text, "", "length", Tokens.DEFAULT);
      case StubReply.Refusal(var words) -> completion(question, "", words, "stop", Tokens.DEFAULT);
      case StubReply.FilteredAnswer() ->
          completion(question, "", "", "content_filter", Tokens.DEFAULT);
      case StubReply.Empty() -> completion(question, "", "", "stop", Tokens.DEFAULT);
      case StubReply.FilteredPrompt() -> OpenAiErrors.filteredPrompt(requestId());
      case StubReply.FailedWith200(var message) -> {
        var body = Dialect.object();
        body.putObject("error").put("code", 502).put("message", message);
        yield Dialect.reply(200, requestId(), body);
      }
      case StubReply.Failure(var kind, var headers) -> {
        var all = new HashMap<>(headers);
        all.putAll(requestId());
        yield OpenAiErrors.compatible(kind, question, all);
      }
      case StubReply.Misbehaviour misbehaviour ->
          throw new IllegalArgumentException("no vendor's form: " + misbehaviour);
    };
  }

  @Override
  public WireReply.Full violated(Violation violation) {
    return OpenAiErrors.error(400, violation.words(), "invalid_request_error", "", requestId());
  }

  private static Map<String, String> requestId() {
    return Map.of("x-request-id", VendorStub.REQUEST_ID);
  }

  private static WireReply.Full completion(
      StubQuestion question, String text, String refusal, String reason, Tokens tokens) {
    var completion =
        Dialect.object()
            .put("id", "chatcmpl-stub")
            .put("object", "chat.completion")
            .put("created", 1_790_000_000)
            .put("model", question.model() + "-2026-11-01");
    var choice =
        completion.putArray("choices").addObject().put("index", 0).put("finish_reason", reason);
    var message = choice.putObject("message").put("role", "assistant");
    if (text.isEmpty()) {
      message.putNull("content");
    } else {
      message.put("content", text);
    }
    if (!refusal.isEmpty()) {
      message.put("refusal", refusal);
    }
    var usage =
        completion
            .putObject("usage")
            .put("prompt_tokens", tokens.input())
            .put("completion_tokens", tokens.output())
            .put("total_tokens", tokens.input() + tokens.output());
    usage.putObject("prompt_tokens_details").put("cached_tokens", tokens.cached());
    usage.putObject("completion_tokens_details").put("reasoning_tokens", tokens.reasoning());
    return Dialect.reply(200, requestId(), completion);
  }
}
