package org.pgoffload.worker.vendors.rerank;

import static org.assertj.core.api.Assertions.assertThat;
import static org.pgoffload.worker.vendors.ConformanceSuite.error;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.rerank.RerankQuestion;
import org.pgoffload.dev.testkit.rerank.RerankStub;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Origin;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.RankedDocument;
import org.pgoffload.worker.models.RerankCall;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.ConformanceSuite;
import org.pgoffload.worker.vendors.http.BaseUrl;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadEnvironment;

/// The reranker over real HTTP, in each of the forms that servers speak.
class RerankProviderTest {
  private static final String QUERY = "why is the sky blue";
  private static final List<String> DOCUMENTS =
      List.of("Bread is baked.", "why the sky is blue", "the sky over Prague");

  @AutoClose private final RerankStub stub = RerankStub.start();

  @AutoClose
  private final PostJson http =
      new PostJson(
          ConformanceSuite.settings(Duration.ofSeconds(10)),
          InstantSource.fixed(java.time.Instant.EPOCH));

  @ParameterizedTest
  @CsvSource({
    "cohere, /v2/rerank, m,        rerank-stub-1, 1",
    "cohere, /v1/rerank, m-served, rerank-stub-1, 42",
    "tei,    /rerank,    m,        ,              42",
  })
  void ranksInEachForm(String api, String path, String model, String id, long counted)
      throws InterruptedException {
    var provider = provider(api, path);
    for (int most = 1; most <= 3; most++) {
      assertThat(provider.rerank(call(DOCUMENTS, most)))
          .isEqualTo(
              new LlmOutcome.Reranked(
                  List.of(
                          new RankedDocument(1, 1.0),
                          new RankedDocument(2, 0.4),
                          new RankedDocument(0, 0.2))
                      .subList(0, most),
                  new Origin("reranker", model, id),
                  new Usage(counted, 0, 0, 0),
                  List.of()));
      var tei = api.equals("tei");
      assertThat(stub.questions().getLast())
          .isEqualTo(
              new RerankQuestion(
                  path, tei ? null : "m", QUERY, DOCUMENTS, tei ? null : (Integer) most));
    }
  }

  @Test
  void asksTheModelOfTheRequest() throws InterruptedException {
    provider("cohere", "/v2/rerank")
        .rerank(new RerankCall("rerank-9", QUERY, DOCUMENTS, 1, Duration.ofSeconds(9)));
    assertThat(stub.questions().getLast().model()).isEqualTo("rerank-9");
  }

  @Test
  void takesAsManyDocumentsAsItSaysAndNoMore() throws InterruptedException {
    var provider = provider("tei", "/rerank");
    assertThat(provider.mostDocuments()).isEqualTo(32);
    assertThat(provider.rerank(call(texts(32), 32))).isInstanceOf(LlmOutcome.Reranked.class);
    var error = error(provider.rerank(call(texts(33), 1)));
    assertThat(error.code()).isEqualTo(LlmErrorCode.REQUEST_TOO_LARGE);
    assertThat(error.message()).contains("at most 32 documents, not 33");
    assertThat(stub.questions()).hasSize(1);
    assertThat(provider("cohere", "/v2/rerank").mostDocuments()).isEqualTo(1000);
  }

  @Test
  void answersNoQuestions() {
    var error =
        error(provider("cohere", "/v2/rerank").ask(ConformanceSuite.call("?"), PieceListener.NONE));
    assertThat(error.code()).isEqualTo(LlmErrorCode.INVALID_REQUEST);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "400 | {'message': 'invalid request: the sky over Prague'}       | INVALID_REQUEST",
        "401 | {'message': 'invalid api token'}                          | AUTHENTICATION_FAILED",
        "404 | {'message': 'model m not found'}                          | MODEL_NOT_FOUND",
        "404 | {'detail': 'Not Found'}                                   | ENDPOINT_NOT_FOUND",
        "402 | {'message': 'billing limit reached'}                      | QUOTA_EXHAUSTED",
        "413 | {'error': 'Batch size error', 'error_type': 'validation'} | REQUEST_TOO_LARGE",
        "422 | {'error': 'Tokenization error', 'error_type': 'tokenizer'} | INVALID_REQUEST",
        "429 | {'error': 'Model is overloaded', 'error_type': 'overloaded'} | RATE_LIMITED",
        "429 | {'message': 'You are using a Trial key, which is limited to 1000 API calls / month.'} | QUOTA_EXHAUSTED",
        "429 | {'message': 'You are using a Trial key, which is limited to 10 API calls / minute.'} | RATE_LIMITED",
        "500 | {'message': 'internal server error'}                      | PROVIDER_ERROR",
        "503 | {'detail': 'Service temporarily unavailable'}             | PROVIDER_OVERLOADED",
        "200 | {'error': {'message': 'no such model', 'code': 'model_not_found'}} | MODEL_NOT_FOUND",
        "200 | [{'error': {'message': 'down', 'code': 503}}]             | PROVIDER_OVERLOADED",
      })
  void reportsWhatTheServerSays(int status, String body, LlmErrorCode code)
      throws InterruptedException {
    stub.next(new WireReply.Full(status, Map.of(), body.replace('\'', '"')));
    var error = error(provider("cohere", "/v2/rerank").rerank(call(DOCUMENTS, 3)));
    assertThat(error.code()).isEqualTo(code);
    assertThat(error.message())
        .startsWith("reranker: ")
        .doesNotContain("Prague", "sky", RerankStub.KEY);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{}",
        "[]",
        "[1, 2, 3]",
        "'text'",
        "{'results': []}",
        "{'results': 3}",
        "{'results': [{'index': 0, 'relevance_score': 1}]}",
        "{'results': [{'index': 0, 'relevance_score': 1}, {'index': 0, 'relevance_score': 1}]}",
        "{'results': [{'index': 0, 'relevance_score': 1}, {'index': 3, 'relevance_score': 1}]}",
        "{'results': [{'index': 0, 'relevance_score': 1}, {'index': -1, 'relevance_score': 1}]}",
        "{'results': [{'index': 0, 'relevance_score': 1}, {'index': 1.5, 'relevance_score': 1}]}",
        "{'results': [{'index': 0, 'relevance_score': 1}, {'relevance_score': 1}]}",
        "{'results': [{'index': 0, 'relevance_score': 1}, {'index': 1}]}",
        "{'results': [{'index': 0, 'relevance_score': 1}, {'index': 1, 'relevance_score': null}]}",
        "{'results': [{'index': 0, 'relevance_score': 1}, {'index': 1, 'relevance_score': NaN}]}",
        "{'results': [{'index': 0, 'relevance_score': 1}, {'index': 1, 'relevance_score': '1'}]}",
      })
  void takesNothingElseForARanking(String body) throws InterruptedException {
    stub.next(new WireReply.Full(200, Map.of(), body.replace('\'', '"')));
    assertThat(error(provider("cohere", "/v2/rerank").rerank(call(DOCUMENTS, 2))).code())
        .isEqualTo(LlmErrorCode.MALFORMED_RESPONSE);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{'results': R, 'meta': {'billed_units': {'search_units': 2}, 'tokens': {'input_tokens': 9}}} | 2",
        "{'results': R, 'meta': {'billed_units': {'total_tokens': 7}, 'tokens': {'input_tokens': 9}}} | 9",
        "{'results': R, 'usage': {'search_units': 3, 'total_tokens': 8}} | 3",
        "{'results': R, 'usage': {'total_tokens': 8}} | 8",
        "{'data': R, 'usage': {'total_tokens': 8}}    | 8",
        "{'results': R, 'meta': {'billed_units': null, 'tokens': null}} | 0",
        "R | 0",
      })
  void countsWhatIsBilled(String body, long counted) throws InterruptedException {
    var ranks = "[{'index': 1, 'score': -1e-5}, {'index': 0, 'relevance_score': 7}]";
    stub.next(new WireReply.Full(200, Map.of(), body.replace("R", ranks).replace('\'', '"')));
    assertThat(provider("cohere", "/v2/rerank").rerank(call(DOCUMENTS, 2)))
        .isInstanceOfSatisfying(
            LlmOutcome.Reranked.class,
            reranked -> {
              assertThat(reranked.usage()).isEqualTo(new Usage(counted, 0, 0, 0));
              assertThat(reranked.ranks())
                  .containsExactly(new RankedDocument(0, 7), new RankedDocument(1, -1e-5));
            });
  }

  @Test
  void saysHowACallBroke() throws InterruptedException {
    var provider = provider("cohere", "/v2/rerank");
    stub.next(new WireReply.CutBody("{"), new WireReply.Silence());
    assertThat(error(provider.rerank(call(DOCUMENTS, 1))).code())
        .isEqualTo(LlmErrorCode.CONNECTION_LOST);
    var late = new RerankCall(null, QUERY, DOCUMENTS, 1, Duration.ofMillis(50));
    assertThat(error(provider.rerank(late)).code()).isEqualTo(LlmErrorCode.TIMEOUT);
    var wrongKey = provider(Map.of("PGOFFLOAD_RERANK_API_KEY", "rk-other-key"));
    assertThat(error(wrongKey.rerank(call(DOCUMENTS, 1))).code())
        .isEqualTo(LlmErrorCode.AUTHENTICATION_FAILED);
  }

  @Test
  void readsItsSettings(@TempDir Path directory) throws IOException {
    var key = Files.writeString(directory.resolve("key"), "rk-1\n").toString();
    var variables =
        Map.of(
            "PGOFFLOAD_RERANK_URL",
            "https://rank.example/v1/rerank?version=3",
            "PGOFFLOAD_RERANK_API",
            "TEI",
            "PGOFFLOAD_RERANK_API_KEY_FILE",
            key,
            "PGOFFLOAD_RERANK_MAX_DOCUMENTS",
            "64");
    var provider = RerankProvider.from(new ReadEnvironment(variables), http);
    assertThat(provider)
        .isEqualTo(
            new RerankProvider(
                RerankApi.TEI,
                BaseUrl.of("https://rank.example/v1/rerank?version=3"),
                Secret.of("rk-1"),
                "tei",
                64,
                http));
    assertThat(String.valueOf(provider)).doesNotContain("rk-1");
  }

  @Test
  void isNotThereWithoutSettings() {
    var environment = new ReadEnvironment(Map.of());
    assertThat(RerankProvider.from(environment, http)).isNull();
    assertThat(environment.problems()).isEmpty();
  }

  @Test
  void tellsAllProblemsAtOnce() {
    assertThat(
            problems(
                Map.of(
                    "PGOFFLOAD_RERANK_URL",
                    "rank.example",
                    "PGOFFLOAD_RERANK_API",
                    "jina",
                    "PGOFFLOAD_RERANK_MAX_DOCUMENTS",
                    "0")))
        .satisfiesExactlyInAnyOrder(
            problem -> assertThat(problem).startsWith("PGOFFLOAD_RERANK_URL is no address"),
            problem -> assertThat(problem).isEqualTo("PGOFFLOAD_RERANK_API must be cohere or tei"),
            problem -> assertThat(problem).startsWith("PGOFFLOAD_RERANK_MAX_DOCUMENTS must be"));
    assertThat(problems(Map.of("PGOFFLOAD_RERANK_URL", "http://localhost:1/rerank")))
        .singleElement()
        .asString()
        .contains("set PGOFFLOAD_RERANK_MODEL");
    assertThat(
            problems(Map.of("PGOFFLOAD_RERANK_API_KEY_FILE", "k", "PGOFFLOAD_RERANK_MODEL", "m")))
        .containsExactlyInAnyOrder(
            "PGOFFLOAD_RERANK_API_KEY_FILE is set, but no reranker is: set PGOFFLOAD_RERANK_URL",
            "PGOFFLOAD_RERANK_MODEL is set, but no reranker is: set PGOFFLOAD_RERANK_URL");
  }

  private List<String> problems(Map<String, String> variables) {
    var environment = new ReadEnvironment(variables);
    assertThat(RerankProvider.from(environment, http)).isNull();
    return environment.problems();
  }

  private RerankProvider provider(String api, String path) {
    return provider(Map.of("PGOFFLOAD_RERANK_API", api, "PGOFFLOAD_RERANK_URL", stub.at(path)));
  }

  private RerankProvider provider(Map<String, String> some) {
    var variables =
        new HashMap<>(
            Map.of(
                "PGOFFLOAD_RERANK_URL",
                stub.at("/v2/rerank"),
                "PGOFFLOAD_RERANK_API_KEY",
                RerankStub.KEY,
                "PGOFFLOAD_RERANK_MODEL",
                "m"));
    variables.putAll(some);
    return Objects.requireNonNull(RerankProvider.from(new ReadEnvironment(variables), http));
  }

  private static RerankCall call(List<String> documents, int most) {
    return new RerankCall(null, QUERY, documents, most, Duration.ofSeconds(30));
  }

  private static List<String> texts(int number) {
    return IntStream.range(0, number).mapToObj(i -> "text " + i).collect(Collectors.toList());
  }
}
