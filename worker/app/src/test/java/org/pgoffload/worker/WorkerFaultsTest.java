package org.pgoffload.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Result;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.models.FakeProvider;
import org.pgoffload.worker.models.LlmProviders;

/// The worker while its database or its broker is away.
final class WorkerFaultsTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @AutoClose
  private static final TestInstallation installation = TestInstallation.startWithBrokerProcess();

  @BeforeEach
  void emptyTopics() {
    installation.newTopics(2);
  }

  @Test
  void beginsNothingWithoutTheDatabaseAndGoesOnAfterwards() throws Exception {
    var provider = new FakeProvider().hold("slow");
    try (var _ =
        WorkerApp.start(
            installation.configuration("w"), LlmProviders.of(provider), Telemetry.none())) {
      long slow = installation.ask("slow");
      await().atMost(PATIENCE).until(() -> provider.running() == 1);
      var envelope = installation.envelope(installation.newId(), "during");
      var signature = installation.signature(envelope);
      installation.stopPostgres();
      installation.send("k", envelope.getBytes(StandardCharsets.UTF_8), signature);
      // longer than worker_dead_after: what runs here is not taken over for that
      await().during(Duration.ofSeconds(3)).atMost(PATIENCE).until(() -> provider.calls() == 1);
      installation.startPostgres();
      await().atMost(PATIENCE).until(() -> provider.calls() == 2);
      provider.release("slow");
      await().atMost(PATIENCE).until(() -> installation.committed() == 2);
      assertThat(installation.resultOf(slow).attempts()).isEqualTo(1);
      assertThat(installation.results())
          .extracting(Result::status)
          .containsExactly("succeeded", "succeeded");
    }
  }

  @Test
  void aKeyOfTheTimeWithoutTheDatabaseIsTrustedAfterwards() throws Exception {
    try (var _ =
        WorkerApp.start(
            installation.configuration("w"),
            LlmProviders.of(new FakeProvider()),
            Telemetry.none())) {
      installation.execute("select pgoffload.new_signing_key()");
      var envelope = installation.envelope(installation.newId(), "why?");
      var signature = installation.signature(envelope);
      installation.stopPostgres();
      installation.send("k", envelope.getBytes(StandardCharsets.UTF_8), signature);
      await()
          .during(Duration.ofSeconds(1))
          .atMost(PATIENCE)
          .until(() -> installation.committed() == 0);
      installation.startPostgres();
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == 1);
      assertThat(installation.read(installation.topics().deadLetters())).isEmpty();
    }
  }

  @Test
  void anAnswerOfTheTimeWithoutKafkaIsPublishedAfterwards() throws Exception {
    var provider = new FakeProvider().hold("during");
    try (var _ =
        WorkerApp.start(
            installation.configuration("w"), LlmProviders.of(provider), Telemetry.none())) {
      long during = installation.ask("during");
      await().atMost(PATIENCE).until(() -> provider.running() == 1);
      installation.killKafka();
      provider.release("during");
      await().atMost(PATIENCE).until(() -> provider.running() == 0);
      installation.startKafka();
      long after = installation.ask("after");
      await()
          .atMost(PATIENCE)
          .untilAsserted(() ->
              assertThat(installation.answeredIds()).containsExactlyInAnyOrder(during, after));
      await().atMost(PATIENCE).until(() -> installation.committed() == 2);
    }
    assertThat(provider.calls()).isEqualTo(2);
  }

  @Test
  void noThreadIsBusyWithoutKafkaAndNothingIsExecutedTwiceAfterwards() throws Exception {
    var provider = new FakeProvider().hold("during");
    try (var _ =
        WorkerApp.start(
            installation.configuration("w"), LlmProviders.of(provider), Telemetry.none())) {
      long during = installation.ask("during");
      await().atMost(PATIENCE).until(() -> provider.running() == 1);
      installation.killKafka();
      try {
        // a busy thread takes all that the machine leaves it
        await().atMost(PATIENCE).until(() -> shareOfBusiestThread(Duration.ofSeconds(2)) < 0.1);
      } finally {
        installation.startKafka();
      }
      long after = installation.ask("after");
      await()
          .atMost(PATIENCE)
          .untilAsserted(() -> assertThat(installation.answeredIds()).containsExactly(after));
      provider.release("during");
      await().atMost(PATIENCE).until(() -> installation.committed() == 2);
      assertThat(installation.answeredIds()).containsExactlyInAnyOrder(during, after);
    }
    assertThat(provider.calls()).isEqualTo(2);
  }

  /// Of one processor.
  private static double shareOfBusiestThread(Duration time) throws InterruptedException {
    var threads = ManagementFactory.getThreadMXBean();
    var before = new HashMap<Long, Long>();
    for (long id : threads.getAllThreadIds()) {
      before.put(id, threads.getThreadCpuTime(id));
    }
    new CountDownLatch(1).await(time.toMillis(), TimeUnit.MILLISECONDS);
    long most = 0;
    for (long id : threads.getAllThreadIds()) {
      most = Math.max(most, threads.getThreadCpuTime(id) - before.getOrDefault(id, 0L));
    }
    return (double) most / time.toNanos();
  }

  @Test
  void closesInTimeWhenBothAreAway() throws Exception {
    var provider = new FakeProvider().hold("during");
    var worker =
        WorkerApp.start(
            installation.configuration("w"), LlmProviders.of(provider), Telemetry.none());
    installation.ask("during");
    await().atMost(PATIENCE).until(() -> provider.running() == 1);
    installation.killKafka();
    installation.stopPostgres();
    try {
      var before = System.nanoTime();
      provider.release("during");
      worker.close();
      assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(Duration.ofSeconds(30));
    } finally {
      installation.startPostgres();
      installation.startKafka();
    }
    var next = new FakeProvider();
    try (var _ =
        WorkerApp.start(
            installation.configuration("next"), LlmProviders.of(next), Telemetry.none())) {
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == 1);
    }
  }
}
