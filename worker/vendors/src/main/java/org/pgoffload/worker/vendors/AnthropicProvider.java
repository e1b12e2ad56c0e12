package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.vendors.http.BaseUrl;
import org.pgoffload.worker.vendors.http.Credentials;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadEnvironment;
import org.pgoffload.worker.vendors.http.VendorReply;

/// Anthropic's Messages API (platform.claude.com/docs/en/api/messages), and servers that speak it.
///
/// @param baseUrl without `/v1`, as Anthropic's own clients take it
/// @param key null for a server that wants none
record AnthropicProvider(BaseUrl baseUrl, @Nullable Secret key, String defaultModel, PostJson http)
    implements HttpProvider {

  static final String NAME = "anthropic";
  static final BaseUrl DEFAULT_BASE_URL = BaseUrl.of("https://api.anthropic.com");

  /// The model that balances speed and intelligence (platform.claude.com/docs/en/models/overview,
  /// November 2026).
  static final String DEFAULT_MODEL = "claude-sonnet-5-5";

  private static final String API_VERSION = "2023-06-01";

  /// Reads the settings; problems are left in the environment.
  static AnthropicProvider from(ReadEnvironment environment, PostJson http) {
    var baseUrl = environment.url("ANTHROPIC_BASE_URL", DEFAULT_BASE_URL);
    var key = environment.key("ANTHROPIC_API_KEY");
    if (key == null && baseUrl.isAt(DEFAULT_BASE_URL)) {
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
  public URI endpoint(LlmCall call, String model) {
    return baseUrl.at("/v1/messages");
  }

  @Override
  public Credentials credentials(Duration timeout) {
    return key == null
        ? new Credentials.Headers(Map.of("anthropic-version", API_VERSION), null)
        : new Credentials.Headers(
            Map.of("anthropic-version", API_VERSION, "x-api-key", key.reveal()), key);
  }

  @Override
  public List<String> requestIdHeaders() {
    return List.of("request-id", "x-request-id");
  }

  @Override
  public @Nullable String refuses(LlmCall call) {
    var options = call.options();
    if (options.temperature() != null && options.temperature() > 1) {
      return "the option temperature is 0 to 1 in Anthropic's Messages API";
    }
    return "minimal".equals(options.reasoningEffort())
        ? "the option reasoning_effort knows no minimal in Anthropic's Messages API: ask with none"
            + " or low"
        : null;
  }

  @Override
  public ObjectNode question(LlmCall call, String model) {
    return MessagesFormat.question(call, model);
  }

  @Override
  public LlmOutcome answer(VendorReply reply) {
    return MessagesFormat.answer(reply);
  }

  @Override
  public FoldEvents fold() {
    return new FoldMessage();
  }
}
