package org.pgoffload.worker.llm;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;

/// Anthropic's Messages API (platform.claude.com/docs/en/api/messages), and servers that speak it.
///
/// @param baseUrl without `/v1`, as Anthropic's own clients take it
/// @param key null for a server that wants none
record AnthropicProvider(URI baseUrl, @Nullable Secret key, String defaultModel, PostJson http)
    implements HttpProvider {

  static final String NAME = "anthropic";
  static final URI DEFAULT_BASE_URL = URI.create("https://api.anthropic.com");

  /// The model that balances speed and intelligence (platform.claude.com/docs/en/models/overview,
  /// November 2026).
  static final String DEFAULT_MODEL = "claude-sonnet-5-5";

  /// The API wants a limit in every request. It covers the model's thinking too, for which 4096 is
  /// little; much more would be refused without streaming, as too long to wait for.
  static final int DEFAULT_MAX_TOKENS = 16_000;

  private static final String API_VERSION = "2023-06-01";

  /// Reads the settings; problems are left in the environment.
  static AnthropicProvider from(ReadEnvironment environment, PostJson http) {
    var baseUrl = environment.url("ANTHROPIC_BASE_URL", DEFAULT_BASE_URL);
    var key = environment.secret("ANTHROPIC_API_KEY");
    if (key == null && baseUrl.equals(DEFAULT_BASE_URL)) {
      environment.problem(
          "no key for Anthropic: set ANTHROPIC_API_KEY (or ANTHROPIC_API_KEY_FILE)");
    }
    return new AnthropicProvider(
        baseUrl, key, environment.text("ANTHROPIC_MODEL", DEFAULT_MODEL), http);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public URI endpoint() {
    return URI.create(baseUrl + "/v1/messages");
  }

  @Override
  public Map<String, String> headers() {
    var headers = new LinkedHashMap<String, String>();
    headers.put("anthropic-version", API_VERSION);
    if (key != null) {
      headers.put("x-api-key", key.reveal());
    }
    return headers;
  }

  @Override
  public List<String> requestIdHeaders() {
    return List.of("request-id", "x-request-id");
  }

  @Override
  public ObjectNode question(LlmCall call, String model) {
    var limit =
        call.options().maxOutputTokens() == null
            ? DEFAULT_MAX_TOKENS
            : call.options().maxOutputTokens();
    var question = Json.object().put("model", model).put("max_tokens", limit);
    if (call.system() != null) {
      question.put("system", call.system());
    }
    var messages = question.putArray("messages");
    call.turns()
        .forEach(turn ->
            messages.addObject().put("role", turn.role().word()).put("content", turn.text()));
    if (call.options().temperature() != null) {
      question.put("temperature", call.options().temperature());
    }
    return question;
  }

  @Override
  public LlmOutcome answer(VendorReply reply) {
    var body = reply.body();
    var usage = usage(body.path("usage"));
    if (body.path("error").isObject()) {
      var error = VendorError.read(body);
      // A code that is new to us counts as the vendor's own failure.
      return reply.vendorFailed(error.classify(500), error, usage);
    }
    if (!body.path("content").isArray()) {
      return reply.malformed("the reply has no content");
    }
    var text = new StringBuilder();
    for (var block : body.path("content")) {
      if (block.path("type").asText().equals("text")) {
        text.append(block.path("text").asText(""));
      }
    }
    return switch (body.path("stop_reason").asText()) {
      case "end_turn", "stop_sequence" -> reply.answered(text.toString(), FinishReason.STOP, usage);
      case "max_tokens", "model_context_window_exceeded" ->
          reply.answered(text.toString(), FinishReason.LENGTH, usage);
      case "refusal" ->
          reply.declined(
              LlmErrorCode.REFUSAL, Json.text(body.path("stop_details"), "explanation"), usage);
      default -> reply.answered(text.toString(), FinishReason.OTHER, usage);
    };
  }

  private static Usage usage(JsonNode usage) {
    var cached = Json.count(usage, "cache_read_input_tokens");
    var written = Json.count(usage, "cache_creation_input_tokens");
    return new Usage(
        Json.count(usage, "input_tokens") + cached + written,
        cached,
        Json.count(usage, "output_tokens"),
        Json.count(usage.path("output_tokens_details"), "thinking_tokens"));
  }
}
