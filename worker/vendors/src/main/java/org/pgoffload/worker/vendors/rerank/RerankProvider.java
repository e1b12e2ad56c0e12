package org.pgoffload.worker.vendors.rerank;

import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.LlmProvider;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.RerankCall;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.call.CallVendor;
import org.pgoffload.worker.vendors.call.HttpVendor;
import org.pgoffload.worker.vendors.http.BaseUrl;
import org.pgoffload.worker.vendors.http.Credentials;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadEnvironment;
import org.pgoffload.worker.vendors.http.VendorBody;

/// Ranks documents by an API `/rerank`, and does nothing else. A worker has one at most, beside the
/// providers that answer questions.
///
/// @param baseUrl where documents are posted
/// @param key null for a server that wants none
/// @param mostDocuments in one call
public record RerankProvider(
    RerankApi api,
    BaseUrl baseUrl,
    @Nullable Secret key,
    String defaultModel,
    int mostDocuments,
    PostJson http)
    implements HttpVendor, LlmProvider {

  private static final String NAME = "reranker";
  private static final String URL = "PGOFFLOAD_RERANK_URL";
  private static final String API = "PGOFFLOAD_RERANK_API";
  private static final String KEY = "PGOFFLOAD_RERANK_API_KEY";
  private static final String MODEL = "PGOFFLOAD_RERANK_MODEL";
  private static final String MOST = "PGOFFLOAD_RERANK_MAX_DOCUMENTS";

  /// More than any server takes, and than a request is to have.
  private static final int MOST_OF_ALL = 100_000;

  /// Reads the settings; null if there are none or they do not suffice, the problems being left in
  /// the environment.
  public static @Nullable RerankProvider from(ReadEnvironment environment, PostJson http) {
    if (!environment.has(URL)) {
      Stream.of(API, KEY, KEY + "_FILE", MODEL, MOST)
          .filter(environment::has)
          .forEach(name ->
              environment.problem("%s is set, but no reranker is: set %s".formatted(name, URL)));
      return null;
    }
    var url = environment.url(URL);
    var word = environment.text(API, "cohere").toLowerCase(Locale.ROOT);
    var api = RerankApi.of(word);
    if (api.isEmpty()) {
      environment.problem(API + " must be " + RerankApi.words());
    }
    var key = environment.key(KEY);
    // a server of the other form has one model, which needs a name in usage alone
    var model = environment.text(MODEL, word.equals("tei") ? "tei" : "");
    if (model.isEmpty() && api.isPresent()) {
      environment.problem(
          "no model for the reranker: set %s; a request may still name another".formatted(MODEL));
    }
    var most =
        environment.integer(MOST, api.map(RerankApi::mostDocuments).orElse(1), 1, MOST_OF_ALL);
    if (url == null || api.isEmpty() || model.isEmpty()) {
      return null;
    }
    return new RerankProvider(api.get(), url, key, model, most, http);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Credentials credentials(Duration timeout) {
    return Credentials.bearer(key);
  }

  /// Cohere sends the second.
  @Override
  public List<String> requestIdHeaders() {
    return List.of("x-request-id", "x-debug-trace-id");
  }

  @Override
  public String requestIdField() {
    return "id";
  }

  @Override
  public LlmOutcome ask(LlmCall call, PieceListener pieces) {
    return CallVendor.failed(
        this,
        LlmErrorCode.INVALID_REQUEST,
        "ranks documents, and answers no questions",
        Objects.requireNonNullElse(call.model(), defaultModel));
  }

  @Override
  public LlmOutcome rerank(RerankCall call) throws InterruptedException {
    var model = Objects.requireNonNullElse(call.model(), defaultModel);
    if (call.documents().size() > mostDocuments) {
      return CallVendor.failed(
          this,
          LlmErrorCode.REQUEST_TOO_LARGE,
          "a request has at most %d documents, not %d; llm_rank makes several"
              .formatted(mostDocuments, call.documents().size()),
          model);
    }
    var said = Stream.concat(Stream.of(call.query()), call.documents().stream()).toList();
    return CallVendor.call(
        this,
        model,
        new CallVendor.Question(baseUrl.at(""), api.question(call, model), said),
        call.timeout(),
        (made, reply) ->
            made.readWhole(
                reply,
                VendorBody::readOrList,
                body -> {
                  var failure = body.failure(Usage.NONE);
                  return failure == null ? api.answer(body, call) : failure;
                }));
  }

  @Override
  public void close() {
    http.close();
  }
}
