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

/// Chat Completions, as Ollama, vLLM and llama.cpp serve it. A key is not needed; one that is given
/// has to be right.
record ChatCompletionsDialect() implements Dialect {

  @Override
  public boolean serves(String path) {
    return path.equals("/v1/chat/completions");
  }

  @Override
  public boolean knows(Map<String, String> headers) {
    var key = headers.get("authorization");
    return key == null || key.equals("Bearer " + VendorStub.KEY);
  }

  @Override
  public StubQuestion read(Connection.Request request, Body body) throws Violation {
    body.allowOnly(
        Set.of(
            "model",
            "messages",
            "temperature",
            "max_tokens",
            "max_completion_tokens",
            "stop",
            "reasoning_effort",
            "response_format",
            "stream",
            "stream_options"));
    var limit = body.positiveInteger("max_tokens");
    var conversation = body.conversation(ContentForm.CHAT_COMPLETIONS);
    var stream = body.flag("stream");
    if (stream && !body.object("stream_options", Set.of("include_usage")).flag("include_usage")) {
      throw new Violation("The stub wants the usage of streams to be asked for.");
    }
    return new StubQuestion(
        request.path(),
        body.requiredText("model"),
        conversation.system(),
        conversation.turns(),
        StubOptions.of(
            body.number("temperature"),
            limit == null ? body.positiveInteger("max_completion_tokens") : limit,
            body.texts("stop", 4),
            body.oneOf("reasoning_effort", ResponsesDialect.EFFORTS),
            ResponsesDialect.responseFormat(body)),
        stream);
  }

  @Override
  public WireReply.Full render(StubReply.InForm reply, StubQuestion question) {
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
      case StubReply.Vectors vectors -> throw new IllegalArgumentException("no answer: " + vectors);
    };
  }

  @Override
  public Events.Some events(ObjectNode completion, StubQuestion question) {
    if (completion.has("error")) {
      var error = List.of(Dialect.event("", completion));
      return new Events.Some(requestId(), "text/event-stream", List.of(), error, ": ping\n\n");
    }
    var choice = completion.path("choices").path(0);
    var words = new ArrayList<String>();
    words.add(chunk(completion, Dialect.object().put("role", "assistant").put("content", ""), ""));
    Dialect.words(choice.path("message").path("content").asText(""))
        .forEach(word -> words.add(chunk(completion, Dialect.object().put("content", word), "")));
    var rest = new ArrayList<String>();
    Dialect.words(choice.path("message").path("refusal").asText(""))
        .forEach(word -> rest.add(chunk(completion, Dialect.object().put("refusal", word), "")));
    rest.add(chunk(completion, Dialect.object(), choice.path("finish_reason").asText()));
    var usage = envelope(completion);
    usage.putArray("choices");
    rest.add(Dialect.event("", usage.set("usage", completion.path("usage"))));
    rest.add("data: [DONE]\n\n");
    return new Events.Some(requestId(), "text/event-stream", words, rest, ": ping\n\n");
  }

  private static String chunk(ObjectNode completion, ObjectNode delta, String finishReason) {
    var chunk = envelope(completion);
    var choice = chunk.putArray("choices").addObject().put("index", 0);
    choice.set("delta", delta);
    choice.put("finish_reason", finishReason.isEmpty() ? null : finishReason);
    return Dialect.event("", chunk.putNull("usage"));
  }

  private static ObjectNode envelope(ObjectNode completion) {
    return Dialect.object()
        .put("id", "chatcmpl-stub")
        .put("object", "chat.completion.chunk")
        .put("created", 1_790_000_000)
        .put("model", completion.path("model").asText());
  }

  @Override
  public String errorEvent() {
    var error = Dialect.object();
    error
        .putObject("error")
        .put("code", 503)
        .put("type", "overloaded_error")
        .put("message", "Busy");
    return Dialect.event("", error);
  }

  @Override
  public Map<String, String> limits(StubLimits limits) {
    return Dialect.openAiLimits(limits);
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
    var usage = usage(tokens);
    usage.putObject("completion_tokens_details").put("reasoning_tokens", tokens.reasoning());
    return Dialect.reply(200, requestId(), completion.set("usage", usage));
  }

  static ObjectNode usage(Tokens tokens) {
    var usage =
        Dialect.object()
            .put("prompt_tokens", tokens.input())
            .put("completion_tokens", tokens.output())
            .put("total_tokens", tokens.input() + tokens.output());
    usage.putObject("prompt_tokens_details").put("cached_tokens", tokens.cached());
    return usage;
  }
}
