package org.pgoffload.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.platform.HeaderText;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.TestLaunches.Launch;
import org.pgoffload.worker.delivery.DeliverySettings;
import org.pgoffload.worker.llm.LlmSettings;
import org.pgoffload.worker.models.FakeProvider;
import org.pgoffload.worker.models.LlmProviders;

/// What waits for one model or one session stops nothing else, and its records, which are read
/// again in their turn, end once.
final class BacklogTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  /// No record of this installation is so small that it stays in memory while it waits.
  private static final int MOST_BYTES = 1600;

  @AutoClose private static final TestInstallation installation = TestInstallation.start();

  private static final TestLaunches launches = new TestLaunches(installation);

  private final FakeProvider provider = new FakeProvider().hold("slow");

  @BeforeEach
  void emptyTopics() {
    installation.newTopics(1);
    // other tests revoke the keys
    launches.signWithTheNewestKey();
  }

  @Test
  void theBacklogOfOneModelStopsNoOther() throws Exception {
    var slow = slow(15);
    // the records of the first and of the second half lie far from each other
    var quick = installation.askMany(300);
    slow.addAll(slow(15));
    try (var _ = start("w", 4, 8, 64 << 10)) {
      await().atMost(PATIENCE).until(() -> installation.answeredIds().containsAll(quick));
      await().atMost(PATIENCE).until(() -> provider.running() >= 4);
      assertThat(installation.answeredIds()).doesNotContainAnyElementsOf(slow);
      long free = installation.ask("free");
      await().atMost(PATIENCE).until(() -> installation.answeredIds().contains(free));
      provider.release("slow");
      await().atMost(PATIENCE).until(() -> installation.committed() == 331);
    }
    assertThat(installation.answeredIds()).hasSize(331).containsAll(slow);
    assertThat(slow).allMatch(id -> provider.calls(id) == 1);
  }

  @Test
  void whatADeadWorkerHadDeferredIsTakenOverThoughItsModelHasAllItsPlaces() throws Exception {
    slow(20);
    long deferred = installation.newId();
    try (var _ = start("w", 8, 8, 1 << 20)) {
      // one more than it leaves free
      await().atMost(PATIENCE).until(() -> provider.running() == 5);
      installation.execute(
          "insert into pgoffload.claim (id, attempt, worker, epoch, requested_by_oid) values ("
              + deferred
              + ", 1, 'dies', 1, 10)");
      var envelope = slowEnvelope(deferred);
      installation.send(
          installation.topics().deferred(),
          Long.toString(deferred),
          envelope.getBytes(StandardCharsets.UTF_8),
          installation.signature(envelope));
      await().atMost(PATIENCE).until(() -> provider.calls(deferred) == 1);
      provider.release("slow");
      await().atMost(PATIENCE).until(() -> installation.committed() == 20);
    }
    assertThat(installation.resultOf(deferred).attempts()).isEqualTo(2);
  }

  @Test
  void whatWaitsIsListedAndCancelledAtOnce() throws Exception {
    var slow = slow(10);
    try (var _ = start("w", 1, 100, MOST_BYTES)) {
      await()
          .atMost(PATIENCE)
          .until(() ->
              installation
                  .query("select count(*) from llm_queue where id = any ('" + array(slow) + "')")
                  .equals("10"));
      installation.cancel(slow.getLast());
      await()
          .atMost(PATIENCE)
          .until(() -> installation.answeredIds().equals(List.of(slow.getLast())));
      provider.release("slow");
      await().atMost(PATIENCE).until(() -> installation.committed() == 10);
    }
    assertThat(installation.resultOf(slow.getLast()).status()).isEqualTo(Result.CANCELLED);
    assertThat(provider.calls(slow.getLast())).isZero();
    assertThat(installation.answeredIds()).containsExactlyInAnyOrderElementsOf(slow);
  }

  @Test
  void whatWaitsExpiresAtItsDeadline() throws Exception {
    slow(3);
    long late = installation.newId();
    var envelope =
        installation
            .envelope(late, "ask", "slow", Instant.now(), Duration.ofSeconds(2))
            .replace("\"slow\"", "\"slow\", \"model\": \"slow\"");
    installation.send(envelope);
    try (var _ = start("w", 1, 100, MOST_BYTES)) {
      await().atMost(PATIENCE).until(() -> installation.answeredIds().equals(List.of(late)));
    }
    assertThat(installation.resultOf(late).status()).isEqualTo(Result.EXPIRED);
    assertThat(provider.calls(late)).isZero();
  }

  @Test
  void aRequestWhoseRecordIsRemovedWhileItWaitsEndsAsFailed() throws Exception {
    var slow = slow(3);
    long inserted = installation.newId();
    sendSlow(inserted);
    long next;
    try (var _ = start("w", 1, 100, MOST_BYTES)) {
      await().atMost(PATIENCE).until(() -> provider.running() == 1);
      next = installation.ask("next");
      await().atMost(PATIENCE).until(() -> installation.answeredIds().equals(List.of(next)));
      installation.removeRecords(installation.topics().llmRequests());
      provider.release("slow");
      await().atMost(PATIENCE).until(() -> installation.committed() == 5);
    }
    assertThat(installation.resultOf(slow.getFirst()).status()).isEqualTo("succeeded");
    for (long id : List.of(slow.get(1), slow.get(2), inserted)) {
      assertThat(installation.resultOf(id).errorCode()).isEqualTo("gone");
      assertThat(installation.resultOf(id).status()).isEqualTo("failed");
    }
    assertThat(installation.read(installation.topics().deadLetters()))
        .hasSize(3)
        .allSatisfy(letter ->
            assertThat(HeaderText.read(letter.headers(), RecordHeaders.REASON)).isEqualTo("gone"));
    assertThat(provider.calls()).isEqualTo(2);
  }

  @Test
  void aRecordIsVerifiedAgainWhenItIsReadAgain() throws Exception {
    var slow = slow(3);
    try (var _ = start("w", 1, 100, MOST_BYTES)) {
      await().atMost(PATIENCE).until(() -> provider.running() == 1);
      long next = installation.ask("next");
      await().atMost(PATIENCE).until(() -> installation.answeredIds().equals(List.of(next)));
      installation.execute("select pgoffload.revoke_keys()");
      // the worker has read the keys again when it takes this one
      long signedAnew = installation.ask("signed anew");
      await().atMost(PATIENCE).until(() -> installation.answeredIds().contains(signedAnew));
      provider.release("slow");
      await().atMost(PATIENCE).until(() -> installation.committed() == 5);
    }
    assertThat(installation.answeredIds()).contains(slow.getFirst()).hasSize(3);
    assertThat(installation.read(installation.topics().deadLetters()))
        .hasSize(2)
        .allSatisfy(letter ->
            assertThat(HeaderText.read(letter.headers(), RecordHeaders.REASON))
                .isEqualTo("bad_signature"));
  }

  @Test
  void aRequestThatIsSignedAgainWhileItWaitsIsAnswered() throws Exception {
    slow(1);
    long inserted = installation.newId();
    sendSlow(inserted);
    try (var _ = start("w", 1, 100, MOST_BYTES)) {
      await().atMost(PATIENCE).until(() -> provider.running() == 1);
      long next = installation.ask("next");
      await().atMost(PATIENCE).until(() -> installation.answeredIds().equals(List.of(next)));
      installation.execute("select pgoffload.revoke_keys()");
      // as the sweep after a revocation does
      sendSlow(inserted);
      long last = installation.ask("last");
      await().atMost(PATIENCE).until(() -> installation.answeredIds().contains(last));
      provider.release("slow");
      await().atMost(PATIENCE).until(() -> installation.committed() == 5);
    }
    assertThat(installation.resultOf(inserted).status()).isEqualTo(Result.SUCCEEDED);
    assertThat(provider.calls(inserted)).isEqualTo(1);
    assertThat(installation.read(installation.topics().deadLetters())).isEmpty();
  }

  @Test
  void whatWaitsIsLeftToTheNextWorkerOfItsPartition() throws Exception {
    installation.newTopics(6);
    var slow = slow(60);
    var second = new FakeProvider();
    try (var _ = start("one", 2, 100, MOST_BYTES)) {
      await().atMost(PATIENCE).until(() -> provider.running() == 2);
      try (var _ = start("two", second, 20, 100, 1 << 20)) {
        await().atMost(PATIENCE).until(() -> second.calls() > 20);
        provider.release("slow");
        await().atMost(PATIENCE).until(() -> installation.committed() == 60);
      }
    }
    assertThat(installation.answeredIds()).containsExactlyInAnyOrderElementsOf(slow);
    assertThat(provider.calls() + second.calls()).isEqualTo(60);
  }

  @Test
  void theBacklogOfOneSessionStopsNoOther() throws Exception {
    installation.execute("create table trace (what text); grant all on trace to alice, bob");
    try (var gate = installation.admin().connect("gate");
        var _ = WorkerApp.start(sql("w"), LlmProviders.of(provider), Telemetry.none())) {
      execute(gate, "select pg_advisory_lock(7)");
      var waiting = new ArrayList<Long>();
      for (int i = 0; i < 40; i++) {
        waiting.add(
            launches.launch(
                Launch.of(
                        "alice",
                        "select pg_advisory_xact_lock_shared(7); insert into trace values ('"
                            + i
                            + "')")
                    .inSession("long", 1)));
      }
      long other = launches.launch(Launch.of("alice", "select 1").inSession("short", 1));
      await().atMost(PATIENCE).until(() -> launches.resultOf(other).isPresent());
      assertThat(launches.results()).hasSize(1);
      execute(gate, "select pg_advisory_unlock(7)");
      await().atMost(PATIENCE).until(() -> installation.committed("sql") == 41);
      assertThat(launches.results()).extracting(SqlResult::id).containsAll(waiting).hasSize(41);
      assertThat(launches.results()).extracting(SqlResult::status).containsOnly("succeeded");
    }
    assertThat(installation.query("select count(*) || '/' || count(distinct what) from trace"))
        .isEqualTo("40/40");
  }

  private static void execute(Connection gate, String sql) throws Exception {
    try (var statement = gate.createStatement()) {
      statement.execute(sql);
    }
  }

  /// Requests to a model that is held, sent at once.
  private static List<Long> slow(int count) throws Exception {
    var ids = new ArrayList<Long>();
    for (int i = 0; i < count; i++) {
      ids.add(installation.askAtOnce("ask", "{\"prompt\": \"slow\", \"model\": \"slow\"}"));
    }
    return ids;
  }

  /// A request to the model that is held, of a row.
  private static void sendSlow(long id) throws Exception {
    installation.send(slowEnvelope(id));
  }

  private static String slowEnvelope(long id) throws Exception {
    return installation.envelope(id, "slow").replace("\"slow\"", "\"slow\", \"model\": \"slow\"");
  }

  private static String array(List<Long> ids) {
    return ids.toString().replace('[', '{').replace(']', '}');
  }

  private WorkerApp start(String name, int mostOfModel, int most, int mostBytes) {
    return start(name, provider, mostOfModel, most, mostBytes);
  }

  private static WorkerApp start(
      String name, FakeProvider provider, int mostOfModel, int most, int mostBytes) {
    var usual = installation.configuration(name);
    return WorkerApp.start(
        new WorkerConfiguration(
            usual.database(),
            delivery(name, mostOfModel, mostBytes),
            new LlmSettings(most, LlmSettings.DEFAULT_DEFER_AFTER, usual.llm().calls()),
            null),
        LlmProviders.of(provider),
        Telemetry.none());
  }

  private static WorkerConfiguration sql(String name) {
    var usual = launches.configuration(name, 8, 4, Duration.ofSeconds(5));
    return new WorkerConfiguration(
        usual.database(), delivery(name, 2000, MOST_BYTES), usual.llm(), usual.sql());
  }

  private static DeliverySettings delivery(String name, int mostOfModel, int mostBytes) {
    return new DeliverySettings(
        name,
        "test",
        installation.topics(),
        installation.kafka(),
        mostOfModel,
        mostBytes,
        Duration.ZERO);
  }
}
