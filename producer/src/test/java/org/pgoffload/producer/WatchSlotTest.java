package org.pgoffload.producer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.pgoffload.dev.servers.PostgresVersion;

/// How the slot does, as metrics.
final class WatchSlotTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @RegisterExtension
  static final TestInstallation installation = TestInstallation.start(PostgresVersion.V18);

  @Test
  void tellsWhatTheSlotRetainsAndThatItIsGone() throws Exception {
    var metrics = new SimpleMeterRegistry();
    var thread =
        Thread.ofVirtual()
            .start(
                new WatchSlot(
                    installation.producer(),
                    installation.configuration(),
                    metrics,
                    Duration.ofMillis(50)));
    try {
      // nobody reads from it
      await().atMost(PATIENCE).until(() -> state(metrics, "warning") == 1);
      assertThat(metrics.get("pgoffload.slot.limit").gauge().value()).isNaN();
      double before = metrics.get("pgoffload.slot.retained").gauge().value();
      installation.execute("select pg_logical_emit_message(false, 'test', repeat('x', 1 << 20))");
      await()
          .atMost(PATIENCE)
          .until(
              () -> metrics.get("pgoffload.slot.retained").gauge().value() >= before + (1 << 20));
      installation.dropSlot();
      await().atMost(PATIENCE).until(() -> state(metrics, "error") == 1);
      assertThat(state(metrics, "warning")).isZero();
      assertThat(metrics.get("pgoffload.slot.retained").gauge().value()).isNaN();
    } finally {
      thread.interrupt();
      thread.join();
    }
  }

  private static double state(SimpleMeterRegistry metrics, String state) {
    return metrics.get("pgoffload.slot.state").tag("state", state).gauge().value();
  }
}
