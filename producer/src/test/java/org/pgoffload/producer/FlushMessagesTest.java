package org.pgoffload.producer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.sql.SQLException;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.pgoffload.dev.servers.PostgresVersion;

/// Immediate requests on a PostgreSQL whose messages wait for somebody's commit.
final class FlushMessagesTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @RegisterExtension
  static final TestInstallation installation = TestInstallation.start(PostgresVersion.V15);

  @Test
  void flushesWithoutAnybodyElsesCommit() throws Exception {
    try (var _ = FlushMessages.startIfNeeded(installation.producer(), 150_000)) {
      for (int i = 0; i < 3; i++) {
        awaitFlushOfAMessage();
      }
    }
    // a backend ends a little after its client
    await().atMost(PATIENCE).until(() -> flushers().equals("0"));
  }

  @Test
  void flushesWhereTheServerDoesNotTellWhatWaits() throws Exception {
    installation.execute("revoke execute on function pg_current_wal_flush_lsn() from public");
    try (var _ = FlushMessages.startIfNeeded(installation.producer(), 150_000)) {
      awaitFlushOfAMessage();
    } finally {
      installation.execute("grant execute on function pg_current_wal_flush_lsn() to public");
    }
  }

  @Test
  void writesNothingWhileNothingWaits() throws Exception {
    try (var _ = FlushMessages.startIfNeeded(installation.producer(), 150_000)) {
      await().atMost(PATIENCE).until(() -> flushers().equals("1"));
      // the server itself may write something in one of these seconds
      await()
          .pollDelay(Duration.ZERO)
          .pollInterval(Duration.ofMillis(1))
          .atMost(PATIENCE)
          .until(() ->
              installation
                  .query(
                      "select pg_current_wal_insert_lsn() = lsn from (select"
                          + " pg_current_wal_insert_lsn() as lsn, pg_sleep(1) offset 0) before")
                  .equals("t"));
    }
  }

  @Test
  void pausesNoLongerThanAFewMillisecondsAfterAServerThatStalled() {
    var usual = Duration.ofMillis(2);
    assertThat(FlushMessages.pauseAfter(Duration.ofMillis(1), usual)).isEqualTo(usual);
    assertThat(FlushMessages.pauseAfter(Duration.ofMillis(8), usual)).hasMillis(16);
    assertThat(FlushMessages.pauseAfter(Duration.ofSeconds(10), usual)).hasMillis(25);
  }

  @Test
  void isNotNeededFromSeventeenOn() throws Exception {
    try (var _ = FlushMessages.startIfNeeded(installation.producer(), 170_000)) {
      await().during(Duration.ofMillis(200)).atMost(PATIENCE).until(() -> flushers().equals("0"));
    }
  }

  @Test
  void connectsAgainAfterItsConnectionBroke() throws Exception {
    try (var _ = FlushMessages.startIfNeeded(installation.producer(), 150_000)) {
      await().atMost(PATIENCE).until(() -> flushers().equals("1"));
      var broken =
          installation.query(
              "select pid from pg_stat_activity where application_name = 'pgoffload producer"
                  + " flush'");
      installation.execute("select pg_terminate_backend(" + broken + ")");
      await()
          .atMost(PATIENCE)
          .until(() ->
              installation
                  .query(
                      "select count(*) from pg_stat_activity where application_name ="
                          + " 'pgoffload producer flush' and pid <> "
                          + broken)
                  .equals("1"));
    }
  }

  @Test
  void anImmediateRequestArrives() throws Exception {
    try (var app = installation.startProducer()) {
      app.awaitCapturing(PATIENCE);
      installation.query(
          "select pgoffload.emit_llm_request('ask', 'at once', null, null, null, null, null,"
              + " null, null, null, null, null)");
      await().atMost(PATIENCE).until(() -> installation.published().size() == 1);
    }
  }

  private static void awaitFlushOfAMessage() throws SQLException {
    var lsn =
        installation.query("select pg_logical_emit_message(false, 'test', 'nobody flushes this')");
    await()
        .pollInterval(Duration.ofMillis(10))
        .atMost(PATIENCE)
        .until(() ->
            installation.query("select pg_current_wal_flush_lsn() >= '" + lsn + "'").equals("t"));
  }

  private static String flushers() throws SQLException {
    return installation.query(
        "select count(*) from pg_stat_activity where application_name = 'pgoffload producer"
            + " flush'");
  }
}
