package org.pgoffload.worker.vendors;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.net.URLEncoder;
import java.time.Duration;
import java.util.List;
import java.util.Map;
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

/// Google's Gemini API (ai.google.dev/api/generate-content), and servers that speak it.
///
/// @param baseUrl up to and with the version of the API
/// @param key null for a server that wants none
record GeminiProvider(
    BaseUrl baseUrl,
    @Nullable Secret key,
    String defaultModel,
    String defaultEmbeddingModel,
    PostJson http)
    implements HttpProvider {

  static final String NAME = "gemini";

  /// The stable version lacks response schemas.
  static final BaseUrl DEFAULT_BASE_URL =
      BaseUrl.of("https://generativelanguage.googleapis.com/v1beta");

  /// The stable model that balances intelligence and cost (ai.google.dev/gemini-api/docs/models,
  /// November 2026).
  static final String DEFAULT_MODEL = "gemini-3.8-flash";

  /// ai.google.dev/gemini-api/docs/models/gemini-embedding-2.
  static final String DEFAULT_EMBEDDING_MODEL = "gemini-embedding-2";

  /// Reads the settings; problems are left in the environment.
  static GeminiProvider from(ReadEnvironment environment, PostJson http) {
    var baseUrl = environment.url("GEMINI_BASE_URL", DEFAULT_BASE_URL);
    // Google's clients take both names. The wider one may be meant for another of its services.
    var own = environment.hasSecret("GEMINI_API_KEY");
    var key = environment.key(own ? "GEMINI_API_KEY" : "GOOGLE_API_KEY");
    if (key == null && baseUrl.isAt(DEFAULT_BASE_URL)) {
      environment.problem(
          "no key for Gemini: set GEMINI_API_KEY or GOOGLE_API_KEY (or either with _FILE)");
    }
    return new GeminiProvider(
        baseUrl,
        key,
        environment.text("GEMINI_MODEL", DEFAULT_MODEL),
        environment.text("GEMINI_EMBEDDING_MODEL", DEFAULT_EMBEDDING_MODEL),
        http);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public URI endpoint(LlmCall call, String model) {
    return method(
        baseUrl, model, call.stream() ? "streamGenerateContent?alt=sse" : "generateContent");
  }

  /// A model is called by its name in the path, which is why that is escaped; Google writes it with
  /// `models/` before it or without.
  static URI method(BaseUrl baseUrl, String model, String method) {
    var name = URLEncoder.encode(shortName(model), UTF_8).replace("+", "%20");
    return baseUrl.at("/models/" + name + ":" + method);
  }

  static String shortName(String model) {
    return model.startsWith("models/") ? model.substring("models/".length()) : model;
  }

  @Override
  public Credentials credentials(Duration timeout) {
    return key == null
        ? new Credentials.Headers(Map.of(), null)
        : new Credentials.Headers(Map.of("x-goog-api-key", key.reveal()), key);
  }

  /// None is documented: the id is in the body.
  @Override
  public List<String> requestIdHeaders() {
    return List.of();
  }

  @Override
  public @Nullable String refuses(LlmCall call) {
    return "xhigh".equals(call.options().reasoningEffort())
        ? "the option reasoning_effort knows no xhigh in the Gemini API: ask with high"
        : GeminiFormat.refusesImages(call);
  }

  @Override
  public ObjectNode question(LlmCall call, String model) {
    return GeminiFormat.question(call);
  }

  @Override
  public LlmOutcome answer(VendorReply reply) {
    return GeminiFormat.answer(reply);
  }

  @Override
  public FoldEvents fold() {
    return new FoldCandidates();
  }

  @Override
  public EmbeddingFormat embeddings() {
    return new GeminiEmbeddings(baseUrl);
  }

  @Override
  public EmbedLimits embedLimits() {
    return GeminiEmbeddings.LIMITS;
  }
}
