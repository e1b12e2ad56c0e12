package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.models.EmbedLimits;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.vendors.http.BaseUrl;
import org.pgoffload.worker.vendors.http.Credentials;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadEnvironment;
import org.pgoffload.worker.vendors.http.VendorReply;

/// Mistral's API (docs.mistral.ai/api): OpenAI's Chat Completions but for a few fields, and it
/// refuses those that it does not know.
///
/// @param baseUrl up to and with `/v1`
/// @param key null for a server that wants none
record MistralProvider(
    BaseUrl baseUrl,
    @Nullable Secret key,
    String defaultModel,
    String defaultEmbeddingModel,
    PostJson http)
    implements HttpProvider {

  static final String NAME = "mistral";
  static final BaseUrl DEFAULT_BASE_URL = BaseUrl.of("https://api.mistral.ai/v1");

  /// The model that balances capability and cost (docs.mistral.ai/models, November 2026).
  static final String DEFAULT_MODEL = "mistral-medium-3-5";

  static final String DEFAULT_EMBEDDING_MODEL = "mistral-embed";

  /// Of all its models together; each takes some of them
  /// (docs.mistral.ai/inference/conversations/reasoning).
  private static final Set<String> EFFORTS = Set.of("none", "low", "medium", "high");

  /// Reads the settings; problems are left in the environment.
  static MistralProvider from(ReadEnvironment environment, PostJson http) {
    var baseUrl = environment.url("MISTRAL_BASE_URL", DEFAULT_BASE_URL);
    var key = environment.key("MISTRAL_API_KEY");
    if (key == null && baseUrl.isAt(DEFAULT_BASE_URL)) {
      environment.problem("no key for Mistral: set MISTRAL_API_KEY (or MISTRAL_API_KEY_FILE)");
    }
    return new MistralProvider(
        baseUrl,
        key,
        environment.text("MISTRAL_MODEL", DEFAULT_MODEL),
        environment.text("MISTRAL_EMBEDDING_MODEL", DEFAULT_EMBEDDING_MODEL),
        http);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public URI endpoint(LlmCall call, String model) {
    return baseUrl.at("/chat/completions");
  }

  @Override
  public Credentials credentials(Duration timeout) {
    return Credentials.bearer(key);
  }

  @Override
  public List<String> requestIdHeaders() {
    return List.of("mistral-correlation-id", "x-kong-request-id");
  }

  @Override
  public @Nullable String refuses(LlmCall call) {
    var effort = call.options().reasoningEffort();
    return effort == null || EFFORTS.contains(effort)
        ? null
        : "the option reasoning_effort is none, low, medium or high in Mistral's API";
  }

  @Override
  public ObjectNode question(LlmCall call, String model) {
    var question = ChatCompletionsFormat.question(call, model, "max_tokens");
    // Refused as unknown; the tokens are told without.
    question.remove("stream_options");
    return question;
  }

  @Override
  public LlmOutcome answer(VendorReply reply) {
    return ChatCompletionsFormat.answer(reply);
  }

  @Override
  public FoldEvents fold() {
    return ChatCompletionsFormat.fold();
  }

  @Override
  public EmbeddingFormat embeddings() {
    return new MistralEmbeddings(
        new OpenAiEmbeddings(baseUrl.at("/embeddings"), "MISTRAL_EMBEDDING_MODEL", false));
  }

  @Override
  public EmbedLimits embedLimits() {
    return MistralEmbeddings.LIMITS;
  }
}
