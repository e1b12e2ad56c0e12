package org.pgoffload.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.Result;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.llm.LlmSettings;
import org.pgoffload.worker.models.FakeProvider;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.LlmProviders;
import org.pgoffload.worker.models.Usage;

/// What a worker finds that another has left, while no results application writes anything back.
final class TakeoverTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @AutoClose private static final TestInstallation installation = TestInstallation.start();

  @BeforeEach
  void emptyTopics() throws SQLException {
    installation.newTopics(3);
    // of one that has failed
    installation.execute("drop trigger if exists stands_still on pgoffload.worker");
  }

  @Test
  void aPublishedResultIsNotCalledForAgain() throws Exception {
    long id = installation.ask("why?");
    answeredByOneThatDies(1);
    var next = new FakeProvider();
    try (var _ = start("next", next)) {
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
      assertThat(installation.query("select max(attempt) from pgoffload.claim where id = " + id))
          .isEqualTo("2");
    }
    assertThat(next.calls()).isZero();
    assertThat(installation.answeredIds()).containsExactly(id);
  }

  /// Nobody writes it back, so that it must not stand for the answer.
  @Test
  void aResultOfAnotherRoleIsNoAnswer() throws Exception {
    long id = installation.ask("why?");
    claimAsTheDead(id);
    var forged =
        """
        {"version": 1, "id": %d, "kind": "ask", "status": "succeeded", "requested_by": "other",
         "requested_by_oid": 11, "answer": "forged", "attempts": 1, "finished_at": "2026-01-02T03:04:05Z"}
        """
            .formatted(id);
    installation.send(
        new ProducerRecord<>(
            installation.topics().results(),
            String.valueOf(id).getBytes(StandardCharsets.UTF_8),
            forged.getBytes(StandardCharsets.UTF_8)));
    var next = new FakeProvider();
    try (var _ = start("next", next)) {
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
    }
    assertThat(next.calls(id)).isEqualTo(1);
  }

  @Test
  void manyAreTakenOverTogetherAndThoseWithoutAResultAreCalledFor() throws Exception {
    var answered = installation.askMany(300);
    answeredByOneThatDies(300);
    installation.commitResults();
    installation.writeBack();
    installation.publishResultsOfOthers(1000);
    // begun by the same one, which did not come to their results
    var left = installation.askMany(50);
    for (long id : left) {
      claimAsTheDead(id);
    }
    var next = new FakeProvider();
    try (var _ = start("next", next)) {
      await().atMost(PATIENCE).until(() -> installation.committed() == 350);
    }
    assertThat(next.calls()).isEqualTo(50);
    assertThat(installation.answeredIds()).containsAll(answered).containsAll(left).hasSize(1350);
  }

  @Test
  void aLongLagOfTheResultsStopsNobodyElse() throws Exception {
    installation.publishResultsOfOthers(5_000);
    var taken = installation.askMany(20);
    answeredByOneThatDies(20);
    var next = new FakeProvider();
    try (var _ = start("next", next)) {
      long fresh = installation.ask("fresh");
      await().atMost(PATIENCE).until(() -> next.calls(fresh) == 1);
      await().atMost(PATIENCE).until(() -> installation.committed() == 21);
    }
    assertThat(next.calls()).isEqualTo(1);
    assertThat(installation.answeredIds()).containsAll(taken).hasSize(5_021);
  }

  @Test
  void aCancellationDoesNotEndWhatHasItsAnswer() throws Exception {
    long id = installation.askAtOnce("ask", "{\"prompt\": \"why?\"}");
    answeredByOneThatDies(1);
    installation.cancel(id);
    try (var _ = start("next", new FakeProvider())) {
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
    }
    assertThat(installation.results())
        .singleElement()
        .extracting(Result::status)
        .isEqualTo(Result.SUCCEEDED);
  }

  /// A worker that stands still is one that cannot renew its lease: here, because its row may not
  /// be changed. It goes on trying, as its vendor asks, for as long as its lease allows.
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whatWasTakenOverWhileAWorkerStoodStillIsNotCalledForAgain(boolean deferred)
      throws Exception {
    var sleeper =
        new FakeProvider(
            call -> "limited".equals(call.model()) ? tryAgainSoon() : FakeProvider.echo(call));
    var awake = new FakeProvider();
    var envelope =
        installation
            .envelope(installation.newId(), "why?")
            .replace("\"immediate\": false", "\"immediate\": true")
            .replace("{\"prompt\"", "{\"model\": \"limited\", \"prompt\"");
    long id = Envelope.read(envelope.getBytes(StandardCharsets.UTF_8)).id();
    installation.send(envelope);
    int sent = 1;
    try (var _ = start("sleeper", sleeper, deferred ? Duration.ofMillis(300) : PATIENCE)) {
      await().atMost(PATIENCE).until(() -> sleeper.calls(id) > 0);
      if (deferred) {
        await().atMost(PATIENCE).until(() -> installation.committed() == 1);
      }
      try (var _ = start("awake", awake, PATIENCE)) {
        while (awake.calls() == 0) {
          var others = installation.askMany(3);
          sent += others.size();
          await().atMost(PATIENCE).until(() -> installation.answeredIds().containsAll(others));
        }
        // delivered again, to both of them
        for (int partition = 0; partition < 3; partition++) {
          installation.send(copy(partition, envelope));
          sent++;
        }
        letNobodyRenewTheLeaseOf("sleeper");
        await().atMost(PATIENCE).until(() -> installation.answeredIds().contains(id));
        int calls = sleeper.calls(id);
        installation.execute("drop trigger stands_still on pgoffload.worker");
        installation.writeBack();
        int all = sent;
        await().atMost(PATIENCE).until(() -> installation.committed() == all);
        if (deferred) {
          await().atMost(PATIENCE).until(() -> installation.committed("deferred") == 1);
        }
        assertThat(awake.calls(id)).isEqualTo(1);
        assertThat(sleeper.calls(id)).isEqualTo(calls);
      }
    }
    assertThat(installation.answeredIds()).containsOnlyOnce(id);
  }

  @Test
  void whatNobodyTookOverIsGoneOnWith() throws Exception {
    var answering = new AtomicBoolean();
    var sleeper =
        new FakeProvider(call -> answering.get() ? FakeProvider.echo(call) : tryAgainSoon());
    long id = installation.ask("why?");
    try (var _ = start("sleeper", sleeper)) {
      await().atMost(PATIENCE).until(() -> sleeper.calls(id) > 0);
      letNobodyRenewTheLeaseOf("sleeper");
      await()
          .atMost(PATIENCE)
          .until(() ->
              installation
                  .query("select alive from llm_worker where name = 'sleeper'")
                  .equals("f"));
      answering.set(true);
      int calls = sleeper.calls(id);
      // as long as nobody can tell whose it is, nothing is called for
      await()
          .during(Duration.ofSeconds(1))
          .atMost(PATIENCE)
          .until(() -> sleeper.calls(id) == calls);
      installation.execute("drop trigger stands_still on pgoffload.worker");
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
      assertThat(sleeper.calls(id)).isEqualTo(calls + 1);
    }
    assertThat(installation.resultOf(id).attempts()).isEqualTo(1);
  }

  private static LlmOutcome tryAgainSoon() {
    return new LlmOutcome.Failed(
        new LlmError(LlmErrorCode.RATE_LIMITED, "slow down", 429, Duration.ofMillis(200), null),
        "fake-1",
        Usage.NONE,
        List.of());
  }

  private static ProducerRecord<byte[], byte[]> copy(int partition, String envelope)
      throws SQLException {
    var record =
        new ProducerRecord<byte[], byte[]>(
            installation.topics().llmRequests(),
            partition,
            null,
            envelope.getBytes(StandardCharsets.UTF_8));
    record
        .headers()
        .add(
            RecordHeaders.SIGNATURE,
            installation.signature(envelope).getBytes(StandardCharsets.UTF_8));
    return record;
  }

  private static void letNobodyRenewTheLeaseOf(String worker) throws SQLException {
    installation.execute(
        """
        create or replace function pgoffload.stands_still() returns trigger language plpgsql
        as $$ begin raise exception 'it stands still'; end $$;
        create trigger stands_still before update on pgoffload.worker
        for each row when (new.name = '%s') execute function pgoffload.stands_still()
        """
            .formatted(worker));
  }

  /// Answers everything, and leaves neither its lease nor what it had committed.
  private static void answeredByOneThatDies(int count) throws Exception {
    int before = installation.answeredIds().size();
    try (var _ = start("dies", new FakeProvider())) {
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == before + count);
    }
    installation.forgetCommitted("llm");
  }

  private static void claimAsTheDead(long id) throws SQLException {
    installation.execute(
        "insert into pgoffload.claim (id, attempt, worker, epoch, requested_by_oid) values ("
            + id
            + ", 1, 'dies', 1, 10)");
  }

  private static WorkerApp start(String name, FakeProvider provider) {
    return WorkerApp.start(
        installation.configuration(name), LlmProviders.of(provider), Telemetry.none());
  }

  private static WorkerApp start(String name, FakeProvider provider, Duration deferAfter) {
    var usual = installation.configuration(name);
    return WorkerApp.start(
        new WorkerConfiguration(
            usual.database(),
            usual.delivery(),
            new LlmSettings(usual.llm().maxDeferred(), deferAfter, usual.llm().calls()),
            usual.sql()),
        LlmProviders.of(provider),
        Telemetry.none());
  }
}
