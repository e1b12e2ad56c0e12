package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.time.Duration;
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

/// OpenAI, and every server that speaks one of its two APIs (Ollama, vLLM, llama.cpp, gateways).
///
/// @param name `openai` or `openai_compatible`
/// @param baseUrl up to and with `/v1`
/// @param api which of the two APIs is spoken
/// @param key null for a server that wants none
/// @param defaultEmbeddingModel null where nothing tells which one the server has
record OpenAiProvider(
    String name,
    BaseUrl baseUrl,
    Api api,
    @Nullable Secret key,
    String defaultModel,
    @Nullable String defaultEmbeddingModel,
    PostJson http)
    implements HttpProvider {

  static final String NAME = "openai";
  static final String COMPATIBLE_NAME = "openai_compatible";
  static final BaseUrl DEFAULT_BASE_URL = BaseUrl.of("https://api.openai.com/v1");

  /// The model that balances intelligence and cost (developers.openai.com/api/docs/models, November
  /// 2026).
  static final String DEFAULT_MODEL = "gpt-6.1-sol";

  /// The smaller of OpenAI's two present ones (developers.openai.com/api/docs/guides/embeddings).
  static final String DEFAULT_EMBEDDING_MODEL = "text-embedding-3-small";

  /// OpenAI's two APIs for a question and an answer.
  enum Api {
    /// The newer one, which tells a refusal and a failure from an answer.
    RESPONSES("/responses"),
    /// The older one, which compatible servers have in common.
    CHAT_COMPLETIONS("/chat/completions");

    private final String path;

    Api(String path) {
      this.path = path;
    }
  }

  /// Reads the settings; problems are left in the environment.
  ///
  /// @param asked the value of `LLM_PROVIDER`, or null: only where it is unset or leaves it open
  ///   does the base URL decide what the server is
  static OpenAiProvider from(ReadEnvironment environment, @Nullable String asked, PostJson http) {
    var baseUrl = environment.url("OPENAI_BASE_URL", DEFAULT_BASE_URL);
    var compatible = COMPATIBLE_NAME.equals(asked) || (!NAME.equals(asked) && !isOpenAi(baseUrl));
    if (compatible && isOpenAi(baseUrl)) {
      environment.problem(
          "LLM_PROVIDER=openai_compatible needs OPENAI_BASE_URL: set it to the server's address,"
              + " such as http://localhost:11434/v1");
    }
    var key = environment.key("OPENAI_API_KEY");
    if (key == null && isOpenAi(baseUrl)) {
      environment.problem(
          "no key for OpenAI: set OPENAI_API_KEY (or OPENAI_API_KEY_FILE), or choose another"
              + " provider with LLM_PROVIDER; LLM_PROVIDER=echo answers without any model");
    }
    var api =
        environment.choice(
            "OPENAI_API", Api.class, compatible ? Api.CHAT_COMPLETIONS : Api.RESPONSES);
    var embeddingModel = environment.text("OPENAI_EMBEDDING_MODEL");
    return new OpenAiProvider(
        compatible ? COMPATIBLE_NAME : NAME,
        baseUrl,
        api,
        key,
        environment.text("OPENAI_MODEL", DEFAULT_MODEL),
        embeddingModel == null && !compatible ? DEFAULT_EMBEDDING_MODEL : embeddingModel,
        http);
  }

  /// OpenAI's own hosts, those of its regions included.
  private static boolean isOpenAi(BaseUrl url) {
    var host = url.host();
    return host.equals("api.openai.com") || host.endsWith(".api.openai.com");
  }

  @Override
  public URI endpoint(LlmCall call, String model) {
    return baseUrl.at(api.path);
  }

  @Override
  public Credentials credentials(Duration timeout) {
    return Credentials.bearer(key);
  }

  @Override
  public @Nullable String refuses(LlmCall call) {
    return api == Api.RESPONSES
        ? ResponsesFormat.refuses(call, "set OPENAI_API=chat_completions for the worker")
        : null;
  }

  @Override
  public ObjectNode question(LlmCall call, String model) {
    return switch (api) {
      case RESPONSES -> ResponsesFormat.question(call, model);
      case CHAT_COMPLETIONS ->
          ChatCompletionsFormat.question(
              call, model, name.equals(NAME) ? "max_completion_tokens" : "max_tokens");
    };
  }

  @Override
  public LlmOutcome answer(VendorReply reply) {
    return switch (api) {
      case RESPONSES -> ResponsesFormat.answer(reply);
      case CHAT_COMPLETIONS -> ChatCompletionsFormat.answer(reply);
    };
  }

  @Override
  public FoldEvents fold() {
    return switch (api) {
      case RESPONSES -> ResponsesFormat.fold();
      case CHAT_COMPLETIONS -> ChatCompletionsFormat.fold();
    };
  }

  @Override
  public EmbeddingFormat embeddings() {
    return new OpenAiEmbeddings(
        baseUrl.at("/embeddings"), "OPENAI_EMBEDDING_MODEL", name.equals(NAME));
  }

  @Override
  public EmbedLimits embedLimits() {
    return name.equals(NAME) ? OpenAiEmbeddings.LIMITS : OpenAiEmbeddings.COMPATIBLE_LIMITS;
  }
}
