package org.pgoffload.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.Result;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.delivery.DeliverySettings;
import org.pgoffload.worker.llm.LlmSettings;
import org.pgoffload.worker.models.FakeProvider;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.LlmProviders;
import org.pgoffload.worker.models.Usage;

/// What a worker does besides asking and answering: deferring, cancelling, streaming, taking
/// earlier answers, embedding.
class LlmRequestHandlerTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @AutoClose private static final TestInstallation installation = TestInstallation.start();

  @BeforeEach
  void newTopics() {
    installation.newTopics(1);
  }

  @Test
  void whatTakesLongHoldsUpNoOffsetsAndIsAskedOnce() throws Exception {
    var provider = new FakeProvider().hold("slow");
    long slow = installation.ask("slow");
    try (var _ = start("w", provider)) {
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
      long next = installation.ask("next");
      await().atMost(PATIENCE).until(() -> installation.answeredIds().equals(List.of(next)));
      assertThat(installation.read(installation.topics().deferred()))
          .singleElement()
          .satisfies(record ->
              assertThat(new String(record.value(), java.nio.charset.StandardCharsets.UTF_8))
                  .contains("slow"));
      assertThat(installation.committed("deferred")).isZero();
      provider.release("slow");
      await().atMost(PATIENCE).until(() -> installation.committed("deferred") == 1);
    }
    assertThat(installation.answeredIds()).contains(slow).hasSize(2);
    assertThat(provider.calls(slow)).isEqualTo(1);
  }

  @Test
  void aDeferredRequestIsTakenOverWithWhatItsWorkerHadDone() throws Exception {
    var provider = new FakeProvider(call -> refusal(Duration.ofSeconds(4)));
    long id = installation.ask("why?");
    try (var _ = start("a", provider)) {
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
    }
    assertThat(installation.answeredIds()).isEmpty();
    var next = new FakeProvider();
    long begun = System.nanoTime();
    try (var _ = start("b", next)) {
      await().atMost(Duration.ofSeconds(30)).until(() -> !installation.answeredIds().isEmpty());
    }
    // the vendor's word is kept by the next worker too
    assertThat(Duration.ofNanos(System.nanoTime() - begun)).isGreaterThan(Duration.ofSeconds(2));
    var result = installation.resultOf(id);
    assertThat(result.attempts()).isEqualTo(2);
    assertThat(result.calls()).extracting(Call::errorCode).containsExactly("rate_limited", null);
  }

  @Test
  void whatWaitsForOneModelLeavesRoomForAnother() throws Exception {
    var provider =
        new FakeProvider(call ->
            "limited".equals(call.model())
                ? refusal(Duration.ofMinutes(1))
                : FakeProvider.echo(call));
    for (int i = 0; i < 20; i++) {
      installation.askAtOnce("ask", "{\"prompt\": \"x\", \"model\": \"limited\"}");
    }
    long free = installation.ask("free");
    try (var _ = start("w", provider, 4)) {
      await().atMost(PATIENCE).until(() -> installation.answeredIds().contains(free));
      await().atMost(PATIENCE).until(() -> installation.committed() == 21);
    }
    assertThat(installation.answeredIds()).containsExactly(free);
  }

  @Test
  void cancelsWhatRuns() throws Exception {
    var provider = new FakeProvider().holdAll();
    long id = installation.askAtOnce("ask", "{\"prompt\": \"long\"}");
    try (var _ = start("w", provider)) {
      await().atMost(PATIENCE).until(() -> provider.running() == 1);
      installation.cancel(id);
      await().atMost(PATIENCE).until(() -> !installation.answeredIds().isEmpty());
      assertThat(provider.running()).isZero();
    }
    assertThat(installation.resultOf(id).status()).isEqualTo(Result.CANCELLED);
    assertThat(installation.resultOf(id).errorCode()).isEqualTo("cancelled");
  }

  @Test
  void cancelsWhatWaitsInTheQueueAndNeverAsksIt() throws Exception {
    var provider = new FakeProvider();
    long id =
        Long.parseLong(installation.query("select nextval('pgoffload.request_id') + 1000000"));
    installation.execute(
        "insert into llm_request (id, prompt, immediate) values (" + id + ", 'queued', true)");
    try (var _ = start("a", provider);
        var _ = start("b", provider)) {
      installation.cancel(id);
      await().atMost(PATIENCE).until(() -> !installation.answeredIds().isEmpty());
      installation.writeBack();
      installation.ask(id, "queued");
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
    }
    assertThat(installation.results())
        .singleElement()
        .satisfies(result -> {
          assertThat(result.status()).isEqualTo(Result.CANCELLED);
          assertThat(result.id()).isEqualTo(id);
          assertThat(result.kind()).isEqualTo("ask");
        });
    assertThat(provider.calls()).isZero();
  }

  @Test
  void aCancellationThatComesWhileItsRequestIsClaimedCounts() throws Exception {
    installation.execute(
        """
        create function stall() returns trigger language plpgsql
        as $$begin perform pg_advisory_xact_lock_shared(9); return null; end$$;
        create constraint trigger stall after insert on pgoffload.claim_0
          deferrable initially deferred for each row execute function stall();
        """);
    var provider = new FakeProvider().holdAll();
    try (var connection = installation.admin().connect("gate");
        var gate = connection.createStatement();
        // a deferred request would be claimed once more
        var _ = start("w", provider, 2000, Duration.ofHours(1))) {
      gate.execute("select pg_advisory_lock(9)");
      long id = installation.askAtOnce("ask", "{\"prompt\": \"long\"}");
      awaitOne("select count(*) from pg_locks where locktype = 'advisory' and not granted");
      // the claim has looked for cancellations, and is not committed yet
      installation.cancel(id);
      awaitOne("select count(*) from pgoffload.cancellation where id = " + id);
      gate.execute("select pg_advisory_unlock(9)");
      await().atMost(PATIENCE).until(() -> installation.answeredIds().contains(id));
      assertThat(installation.resultOf(id).status()).isEqualTo(Result.CANCELLED);
    } finally {
      installation.execute("drop function stall cascade");
    }
  }

  private static void awaitOne(String count) {
    await().atMost(PATIENCE).until(() -> installation.query(count).equals("1"));
  }

  @Test
  void aFloodOfCancellationsHoldsUpNobodyElses() throws Exception {
    var provider = new FakeProvider().hold("runs");
    long first =
        Long.parseLong(installation.query("select nextval('pgoffload.request_id') + 2000000"));
    // committed, and never come to Kafka
    installation.execute(
        "insert into llm_request (id, prompt, immediate) select "
            + first
            + " + g, 'queued', true from generate_series(1, 300) g");
    installation.execute("select setval('pgoffload.request_id', " + (first + 1000) + ")");
    var flood = LongStream.rangeClosed(1, 5_000).mapToObj(i -> first + 10_000 + i).toList();
    var queued = LongStream.rangeClosed(1, 300).mapToObj(i -> first + i).toList();
    long running = installation.askAtOnce("ask", "{\"prompt\": \"runs\"}");
    try (var _ = start("a", provider);
        var _ = start("b", provider)) {
      await().atMost(PATIENCE).until(() -> provider.running() == 1);
      installation.cancelMany(flood);
      installation.cancelMany(queued);
      installation.cancel(running);
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == queued.size() + 1);
    }
    assertThat(installation.answeredIds()).containsAll(queued).contains(running);
    assertThat(installation.results()).extracting(Result::status).containsOnly(Result.CANCELLED);
    assertThat(
            installation.query(
                "select count(*) from pgoffload.cancellation where id > " + (first + 10_000)))
        .isEqualTo("0");
  }

  @Test
  void publishesThePiecesOfAStreamedAnswerBeforeItsResult() throws Exception {
    var answer = "one two three four";
    var provider = new FakeProvider(call -> FakeProvider.answer(answer));
    long id = installation.askAtOnce("ask", "{\"prompt\": \"x\", \"options\": {\"stream\": true}}");
    try (var _ = start("w", provider)) {
      await().atMost(PATIENCE).until(() -> !installation.answeredIds().isEmpty());
    }
    var pieces = pieces(id);
    assertThat(pieces.stream().map(LlmPiece::text).collect(Collectors.joining())).isEqualTo(answer);
    assertThat(pieces.getFirst().text()).isEqualTo("one ");
    assertThat(pieces).extracting(LlmPiece::seq).isSorted().allMatch(seq -> seq > 1_000_000_000);
    assertThat(pieces).noneMatch(LlmPiece::reset);
    assertThat(installation.resultOf(id).provenance().lastSeq()).isEqualTo(pieces.getLast().seq());
  }

  @Test
  void aStreamThatIsCutBeginsAnewVisibly() throws Exception {
    var first = new java.util.concurrent.atomic.AtomicBoolean(true);
    var provider =
        new FakeProvider() {
          @Override
          public LlmOutcome ask(
              org.pgoffload.worker.models.LlmCall call,
              org.pgoffload.worker.models.PieceListener pieces)
              throws InterruptedException {
            if (first.getAndSet(false)) {
              pieces.piece("half an ans");
              return FakeProvider.failure(LlmErrorCode.CONNECTION_LOST);
            }
            return super.ask(call, pieces);
          }
        };
    long id =
        installation.askAtOnce("ask", "{\"prompt\": \"whole\", \"options\": {\"stream\": true}}");
    try (var _ = start("w", provider)) {
      await().atMost(PATIENCE).until(() -> !installation.answeredIds().isEmpty());
    }
    assertThat(pieces(id)).extracting(LlmPiece::text).containsExactly("half an ans", "whole");
    assertThat(pieces(id)).extracting(LlmPiece::reset).containsExactly(false, true);
    assertThat(installation.resultOf(id).answer()).isEqualTo("whole");
    assertThat(installation.resultOf(id).calls()).hasSize(2);
  }

  @Test
  void theSameQuestionIsAskedOnce() throws Exception {
    var provider = new FakeProvider().hold("same");
    var payload = "{\"prompt\": \"same\", \"options\": {\"cache\": \"1 h\"}}";
    var ids = new ArrayList<Long>();
    try (var _ = start("a", provider);
        var _ = start("b", provider)) {
      for (int i = 0; i < 5; i++) {
        ids.add(installation.askAtOnce("ask", payload));
      }
      long other =
          installation.askAtOnce(
              "ask",
              "{\"prompt\": \"same\", \"system\": \"but not quite\", \"options\": {\"cache\": \"1 h\"}}");
      await().atMost(PATIENCE).until(() -> provider.running() == 2);
      provider.release("same");
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == 2);
      installation.writeBack();
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == 6);
      assertThat(provider.calls()).isEqualTo(2);
      assertThat(installation.resultOf(other).cachedFrom()).isNull();
    }
    var leader = ids.stream().filter(id -> installation.resultOf(id).cachedFrom() == null).toList();
    assertThat(leader).hasSize(1);
    for (long id : ids) {
      var result = installation.resultOf(id);
      assertThat(result.answer()).isEqualTo("same");
      assertThat(result.origin().provider()).isEqualTo("fake");
      if (id != leader.getFirst()) {
        assertThat(result.cachedFrom()).isEqualTo(leader.getFirst());
        assertThat(result.tokens().input()).isZero();
        assertThat(result.calls()).isNull();
      }
    }
  }

  @Test
  void embeds() throws Exception {
    long many =
        installation.askAtOnce("embed", "{\"inputs\": [\"a\", \"bb\", \"ccc\"], \"model\": \"e\"}");
    long one = installation.askAtOnce("embed", "{\"prompt\": \"dddd\", \"model\": \"e\"}");
    try (var _ = start("w", new FakeProvider())) {
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == 2);
    }
    installation.writeBack();
    assertThat(installation.query("select embeddings from pgoffload.llm_result where id = " + many))
        .isEqualTo("{{1,0.5},{2,0.5},{3,0.5}}");
    assertThat(installation.query("select embeddings from pgoffload.llm_result where id = " + one))
        .isEqualTo("{{4,0.5}}");
  }

  @Test
  void ranksAndTellsThatItDoes() throws Exception {
    long id =
        installation.askAtOnce(
            "rerank",
            "{\"prompt\": \"q\", \"inputs\": [\"a\", \"bb\"], \"options\": {\"cache\": \"1 h\"}}");
    try (var _ = start("ranks", new FakeProvider())) {
      assertThat(
              installation.query(
                  "select documents from pgoffload.reranker where worker = 'ranks' and model = 'fake-1'"))
          .isEqualTo("7");
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == 1);
      installation.writeBack();
      assertThat(installation.resultOf(id).answer())
          .isEqualTo("[{\"ord\": 2, \"score\": 2.0}, {\"ord\": 1, \"score\": 1.0}]");
      assertThat(installation.query("select kind from llm_request where id = " + id))
          .isEqualTo("rerank");
      long again =
          installation.askAtOnce(
              "rerank",
              "{\"prompt\": \"q\", \"inputs\": [\"a\", \"bb\"], \"options\": {\"cache\": \"1 h\"}}");
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == 2);
      assertThat(installation.resultOf(again).cachedFrom()).isEqualTo(id);
    }
  }

  @Test
  void asksAgainOnceForAnAnswerThatMatchesItsSchema() throws Exception {
    var provider =
        new FakeProvider(call ->
            FakeProvider.answer(
                call.turns().size() == 1
                    ? "forty-two"
                    : call.turns().getFirst().text().equals("mend") ? "42" : "no"));
    var schema = ", \"response_schema\": {\"type\": \"integer\"}}";
    long mended = installation.askAtOnce("ask", "{\"prompt\": \"mend\"" + schema);
    long spoilt = installation.askAtOnce("ask", "{\"prompt\": \"spoil\"" + schema);
    try (var _ = start("w", provider)) {
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == 2);
    }
    assertThat(installation.resultOf(mended).answer()).isEqualTo("42");
    assertThat(installation.resultOf(mended).calls()).hasSize(2);
    assertThat(installation.resultOf(mended).tokens().input()).isEqualTo(6);
    assertThat(installation.resultOf(spoilt).errorCode()).isEqualTo("schema_mismatch");
    assertThat(provider.calls()).isEqualTo(4);
  }

  @Test
  void saysWhichProvidersThereAre() throws Exception {
    long id = installation.askAtOnce("ask", "{\"prompt\": \"x\", \"provider\": \"nobody\"}");
    try (var _ = start("w", new FakeProvider())) {
      await().atMost(PATIENCE).until(() -> !installation.answeredIds().isEmpty());
    }
    assertThat(installation.resultOf(id).errorCode()).isEqualTo("provider_not_configured");
    assertThat(installation.resultOf(id).errorMessage()).contains("'nobody'", "fake");
  }

  private static LlmOutcome refusal(Duration wait) {
    return new LlmOutcome.Failed(
        new LlmError(LlmErrorCode.RATE_LIMITED, "slow down", 429, wait, null),
        "fake-1",
        Usage.NONE,
        List.of());
  }

  private static List<LlmPiece> pieces(long id) {
    return installation.read(installation.topics().pieces()).stream()
        .map(record -> LlmPiece.read(record.value()))
        .filter(piece -> piece.id() == id)
        .toList();
  }

  private static WorkerApp start(String name, FakeProvider provider) {
    return start(name, provider, 2000);
  }

  private static WorkerApp start(String name, FakeProvider provider, int window) {
    return start(name, provider, window, Duration.ofMillis(300));
  }

  private static WorkerApp start(
      String name, FakeProvider provider, int window, Duration deferAfter) {
    var usual = installation.configuration(name);
    return WorkerApp.start(
        new WorkerConfiguration(
            usual.database(),
            new DeliverySettings(
                name,
                "test",
                usual.delivery().topics(),
                usual.delivery().kafka(),
                window,
                usual.delivery().maxBytesInFlight(),
                Duration.ZERO),
            new LlmSettings(2000, deferAfter, usual.llm().calls()),
            null),
        new LlmProviders(provider, List.of(), List.of(), provider),
        Telemetry.none());
  }
}
