package org.pgoffload.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.models.FakeProvider;
import org.pgoffload.worker.models.LlmProviders;

/// What operators have paused, at a worker with a real database and a real broker.
final class PausedRequestsTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @AutoClose private static final TestInstallation installation = TestInstallation.start();

  private static final TestLaunches launches = new TestLaunches(installation);

  private final FakeProvider provider = new FakeProvider();

  @BeforeEach
  void emptyTopics() {
    installation.newTopics(1);
  }

  @AfterEach
  void resume() {
    installation.execute("delete from pgoffload.pause");
  }

  private WorkerApp start() {
    return WorkerApp.start(
        launches.configuration("w", 8, 4, Duration.ofSeconds(5)),
        LlmProviders.of(provider),
        Telemetry.none());
  }

  private static long ask(String model) throws Exception {
    return installation.askAtOnce(
        "ask", "{\"prompt\": \"" + model + "\", \"model\": \"" + model + "\"}");
  }

  private static void awaitAnswer(long id) {
    await().atMost(PATIENCE).until(() -> installation.answeredIds().contains(id));
  }

  private static String claims(long id) {
    return installation.query("select count(*) from pgoffload.claim where id = " + id);
  }

  @Test
  void aPausedModelIsNotCalledAndAnotherIs() throws Exception {
    installation.execute("insert into pgoffload.pause (model) values ('dear')");
    long dear = ask("dear");
    try (var _ = start()) {
      for (int i = 0; i < 3; i++) {
        awaitAnswer(ask("cheap"));
      }
      assertThat(claims(dear)).isEqualTo("0");
      assertThat(provider.calls(dear)).isZero();
      installation.execute("delete from pgoffload.pause");
      awaitAnswer(dear);
    }
    assertThat(installation.resultOf(dear).attempts()).isEqualTo(1);
  }

  @Test
  void aRunningWorkerLearnsWhatIsPaused() throws Exception {
    try (var _ = start()) {
      awaitAnswer(ask("dear"));
      installation.execute("insert into pgoffload.pause (model) values ('dear')");
      // until it has been told
      var waiting = await().atMost(PATIENCE).until(() -> askedAndLeft("dear"), id -> id > 0);
      awaitAnswer(ask("cheap"));
      assertThat(claims(waiting)).isEqualTo("0");
      installation.execute("delete from pgoffload.pause");
      awaitAnswer(waiting);
    }
  }

  /// The id of a request that another, asked later, has overtaken; 0 if it was claimed.
  private static long askedAndLeft(String model) throws Exception {
    long id = ask(model);
    awaitAnswer(ask("cheap"));
    return claims(id).equals("0") ? id : 0;
  }

  @Test
  void aPausedRequestStillExpires() throws Exception {
    installation.execute("insert into pgoffload.pause (provider) values ('fake')");
    long id = installation.newId();
    installation.send(installation.envelope(id, "ask", "p", Instant.now(), Duration.ofSeconds(2)));
    try (var _ = start()) {
      awaitAnswer(id);
    }
    assertThat(installation.resultOf(id).status()).isEqualTo("expired");
    assertThat(provider.calls(id)).isZero();
  }

  @Test
  void nothingOfAPausedRoleBegins() throws Exception {
    installation.execute("insert into pgoffload.pause (role_oid) values ('alice'::regrole::oid)");
    long alices = launches.launch("alice", "select 1");
    try (var _ = start()) {
      long bobs = launches.launch("bob", "select 1");
      await().atMost(PATIENCE).until(() -> launches.resultOf(bobs).isPresent());
      assertThat(claims(alices)).isEqualTo("0");
      installation.execute("delete from pgoffload.pause");
      await().atMost(PATIENCE).until(() -> launches.resultOf(alices).isPresent());
    }
  }

  @Test
  void whatADeadWorkerHadIsNotTakenOverWhileItIsPaused() throws Exception {
    installation.execute("select pgoffload.register_worker('other', 'fake', 'fake-1', 'v')");
    // its lease lives until it is released
    installation.execute(
        "update pgoffload.worker set heartbeat_at = now() + interval '1 hour' where name = 'other'");
    long id = installation.newId();
    installation.execute(
        "insert into pgoffload.claim (id, attempt, worker, epoch, requested_by_oid) select "
            + id
            + ", 1, w.name, w.epoch, 10 from pgoffload.worker w where w.name = 'other'");
    try (var _ = start()) {
      installation.ask(id, "held");
      awaitAnswer(ask("cheap"));
      installation.execute("insert into pgoffload.pause (model) values ('fake-1'), ('dear')");
      await().atMost(PATIENCE).until(() -> askedAndLeft("dear") > 0);
      installation.execute(
          "update pgoffload.worker set released_at = now() - interval '1 hour' where name = 'other'");
      // it looks at what others hold twice a second
      await().during(Duration.ofMillis(1500)).atMost(PATIENCE).until(() -> claims(id).equals("1"));
      installation.execute("delete from pgoffload.pause");
      awaitAnswer(id);
    }
    assertThat(installation.resultOf(id).attempts()).isEqualTo(2);
  }
}
