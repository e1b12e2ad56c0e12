package org.pgoffload.producer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// The producer while its broker is away.
final class ProducerFaultsTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @RegisterExtension
  static final TestInstallation installation = TestInstallation.startWithBrokerProcess();

  @Test
  void losesNothingWhileKafkaIsAwayAndEndsInTimeMeanwhile() throws Exception {
    var asked = new ArrayList<Long>();
    var app = installation.startProducer();
    try {
      app.awaitCapturing(PATIENCE);
      asked.add(installation.insert("before"));
      await().atMost(PATIENCE).until(() -> installation.publishedIds().equals(asked));
      installation.killKafka();
      asked.add(installation.insert("away, first run"));
      awaitTheSlotsAttention();
      long before = System.nanoTime();
      app.close();
      assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(Duration.ofSeconds(30));
    } finally {
      app.close();
    }
    try (var _ = installation.startProducer()) {
      asked.add(installation.insert("away, second run"));
      installation.startKafka();
      asked.add(installation.insert("after"));
      await()
          .atMost(PATIENCE)
          .untilAsserted(() ->
              assertThat(new HashSet<>(installation.publishedIds()))
                  .isEqualTo(new HashSet<>(asked)));
    }
  }

  /// Until the engine has read past what was asked, which it can not acknowledge.
  private static void awaitTheSlotsAttention() throws SQLException {
    var lsn = installation.query("select pg_current_wal_lsn()");
    await()
        .atMost(PATIENCE)
        .until(() ->
            installation
                .query(
                    "select coalesce(bool_or(sent_lsn >= '"
                        + lsn
                        + "'), false) from pg_stat_replication")
                .equals("t"));
  }
}
