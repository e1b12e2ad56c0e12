package org.pgoffload.producer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.producer.TestInstallation.header;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RecordHeaders;

final class ProducerAppTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final String EMIT =
      "select pgoffload.emit_llm_request('ask', 'at once', null, null, null, null, null,"
          + " null, null, null, null, null)";

  @RegisterExtension
  static final TestInstallation installation = TestInstallation.start(PostgresVersion.V18);

  @Test
  void insertedRequestsArriveInTheOrderOfTheirCommitsAsTheyWereSigned() throws Exception {
    var ids = new ArrayList<Long>();
    try (var _ = start();
        var first = installation.admin().connect("test");
        var statement = first.createStatement()) {
      // inserted first, committed last
      first.setAutoCommit(false);
      var row =
          statement.executeQuery(
              "insert into llm_request (prompt, ordering_key) values ('late', 'k') returning id");
      row.next();
      long late = row.getLong(1);
      for (int i = 0; i < 5; i++) {
        ids.add(
            Long.parseLong(
                installation.query(
                    "insert into llm_request (prompt, ordering_key) values ('p', 'k') returning"
                        + " id")));
      }
      first.commit();
      ids.add(late);
      await().atMost(PATIENCE).until(() -> installation.published().size() == 6);
    }
    assertThat(installation.publishedIds()).containsExactlyElementsOf(ids);
    for (var record : installation.published()) {
      assertThat(installation.isSigned(record)).isTrue();
      assertThat(record.key()).isEqualTo("k".getBytes(StandardCharsets.UTF_8));
    }
  }

  @Test
  void immediateRequestsArriveBeforeTheCommitAndDespiteARollback() throws Exception {
    try (var _ = start();
        var connection = installation.admin().connect("test");
        var statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      statement.execute("insert into llm_request (prompt) values ('rolled back')");
      statement.execute(EMIT);
      await().atMost(PATIENCE).until(() -> installation.published().size() == 1);
      var record = installation.published().getFirst();
      assertThat(Envelope.read(record.value()).immediate()).isTrue();
      assertThat(installation.isSigned(record)).isTrue();
      connection.rollback();
      long after = installation.insert("after");
      await().atMost(PATIENCE).until(() -> installation.publishedIds().contains(after));
    }
    assertThat(installation.published()).hasSize(2);
  }

  @Test
  void garbageOfOurPrefixGoesToTheDeadLettersAndStopsNobody() throws Exception {
    try (var _ = start()) {
      installation.execute("select pg_logical_emit_message(true, 'pgoffload.request', 'garbage')");
      installation.execute("select pg_logical_emit_message(true, 'pgoffload.request', '')");
      installation.execute("select pg_logical_emit_message(true, 'pgoffload.other', 'ignored')");
      long id = installation.insert("after");
      await().atMost(PATIENCE).until(() -> installation.publishedIds().contains(id));
      await().atMost(PATIENCE).until(() -> installation.deadLetters().size() == 2);
    }
    var letter =
        installation.deadLetters().stream()
            .filter(each -> each.value().length > 0)
            .findFirst()
            .orElseThrow();
    assertThat(letter.value()).isEqualTo("garbage".getBytes(StandardCharsets.UTF_8));
    assertThat(header(letter, RecordHeaders.REASON)).isEqualTo("malformed");
    assertThat(header(letter, RecordHeaders.ORIGIN)).startsWith("lsn ");
    assertThat(installation.published()).hasSize(1);
  }

  @Test
  void aMessageThatNoTopicTakesStopsNobody() throws Exception {
    try (var _ = start()) {
      installation.execute(
          """
          select pg_logical_emit_message(true, 'pgoffload.request',
            (select string_agg(gen_random_uuid()::text, '') from generate_series(1, 120000)))\
          """);
      long id = installation.insert("after");
      await().atMost(PATIENCE).until(() -> installation.publishedIds().contains(id));
      await().atMost(PATIENCE).until(() -> installation.deadLetters().size() == 1);
      // and is acknowledged, so that it does not come again
      awaitSlotPast(installation.query("select pg_current_wal_lsn()"));
    }
    var letter = installation.deadLetters().getFirst();
    assertThat(letter.value()).isEmpty();
    assertThat(header(letter, RecordHeaders.REASON_DETAIL)).contains("4320000 bytes");
  }

  @Test
  void aRestartInTheMiddleOfALargeTransactionLosesNothing() throws Exception {
    installation.execute(
        "insert into llm_request (prompt) select 'p' from generate_series(1, 10000)");
    long last = Long.parseLong(installation.query("select max(id) from llm_request"));
    var ids = new HashSet<Long>();
    try (var reader = installation.reader()) {
      try (var _ = start()) {
        await()
            .pollInterval(Duration.ofMillis(1))
            .atMost(PATIENCE)
            .until(() -> reader.next(ids::add) > 0);
      }
      try (var _ = start()) {
        await()
            .pollInterval(Duration.ofMillis(1))
            .atMost(PATIENCE)
            .until(() -> reader.next(ids::add) >= 0 && ids.contains(last) && ids.size() >= 10000);
      }
    }
    for (long id = last - 9999; id <= last; id++) {
      assertThat(ids.contains(id)).as("request %d", id).isTrue();
    }
  }

  @Test
  void aRestartOfPostgresIsSurvived() throws Exception {
    try (var _ = start()) {
      long before = installation.insert("before");
      await().atMost(PATIENCE).until(() -> installation.publishedIds().contains(before));
      installation.restartPostgres();
      long after = installation.insert("after");
      await().atMost(PATIENCE).until(() -> installation.publishedIds().contains(after));
    }
  }

  @Test
  void complainsWithoutItsSlotAndCapturesNothing() throws Exception {
    installation.dropSlot();
    try (var app = installation.startProducer()) {
      await().atMost(PATIENCE).until(() -> !app.complaint().isEmpty());
      assertThat(app.complaint()).contains("slot_missing", "run pgoffload install");
      assertThatThrownBy(() -> app.awaitCapturing(Duration.ofMillis(10)))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("slot_missing");
    }
    assertThat(slots()).isZero();
  }

  @Test
  void doesNotMakeASlotForOneThatWasDroppedWhileItStreamed() throws Exception {
    try (var app = start()) {
      long before = installation.insert("before");
      await().atMost(PATIENCE).until(() -> installation.publishedIds().contains(before));
      installation.dropSlot();
      installation.insert("in between");
      await().atMost(PATIENCE).until(() -> app.complaint().contains("slot_missing"));
      await().during(Duration.ofSeconds(2)).atMost(PATIENCE).until(() -> slots() == 0);
      assertThat(installation.published()).hasSize(1);
    }
  }

  @Test
  void complainsAboutALostSlot() throws Exception {
    installation.execute("alter system set max_slot_wal_keep_size = '1MB'");
    installation.execute("select pg_reload_conf()");
    try {
      await()
          .atMost(PATIENCE)
          .until(() -> {
            installation.execute("select pg_logical_emit_message(true, 'x', 'x')");
            installation.execute("select pg_switch_wal()");
            installation.execute("checkpoint");
            return installation.query("select wal_status from pg_replication_slots").equals("lost");
          });
      try (var app = installation.startProducer()) {
        await().atMost(PATIENCE).until(() -> app.complaint().contains("slot_lost"));
      }
    } finally {
      installation.execute("alter system reset max_slot_wal_keep_size");
      installation.execute("select pg_reload_conf()");
    }
  }

  @Test
  void refusesACopiedDatabase() throws Exception {
    var right = installation.query("select system_identifier from pgoffload.installation");
    installation.execute("update pgoffload.installation set system_identifier = 1");
    try (var app = installation.startProducer()) {
      installation.insert("of the copy");
      await().atMost(PATIENCE).until(() -> app.complaint().contains("copied_database"));
      assertThat(app.complaint()).contains("pgoffload adopt");
      assertThat(installation.published()).isEmpty();
    } finally {
      installation.execute("update pgoffload.installation set system_identifier = " + right);
    }
  }

  @Test
  void aSecondProducerWaitsAndTakesOver() throws Exception {
    var first = start();
    try (var second = installation.startProducer()) {
      await().atMost(PATIENCE).until(() -> second.complaint().contains("waiting to take over"));
      long before = installation.insert("before");
      await().atMost(PATIENCE).until(() -> installation.publishedIds().contains(before));
      first.close();
      long after = installation.insert("after");
      await().atMost(PATIENCE).until(() -> installation.publishedIds().contains(after));
      assertThat(second.complaint()).isEmpty();
    } finally {
      first.close();
    }
  }

  @Test
  void theSlotAdvancesOnADatabaseThatIsBusyElsewhere() throws Exception {
    installation.execute("create table if not exists busy (n int)");
    try (var _ = start()) {
      for (int round = 0; round < 3; round++) {
        installation.execute("insert into busy select generate_series(1, 1000)");
        awaitSlotPast(installation.query("select pg_current_wal_lsn()"));
      }
    }
    assertThat(installation.published()).isEmpty();
  }

  @Test
  void endsWheneverItIsClosed() throws Exception {
    for (int i = 0; i < 3; i++) {
      // while it starts
      installation.startProducer().close();
    }
    var app = installation.startProducer();
    await()
        .pollInterval(Duration.ofMillis(1))
        .atMost(PATIENCE)
        .until(() ->
            !installation
                .query(
                    "select count(*) from pg_stat_activity where usename ="
                        + " 'pgoffload_producer'")
                .equals("0"));
    app.close();
    app.close();
    app.awaitEnd();
    await()
        .atMost(PATIENCE)
        .until(() -> installation.query("select active from pg_replication_slots").equals("f"));
    assertThat(
            Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("pgoffload-capture")))
        .isEmpty();
  }

  private static ProducerApp start() throws InterruptedException {
    var app = installation.startProducer();
    app.awaitCapturing(PATIENCE);
    // the engine says that it polls a moment before it has the slot
    await()
        .atMost(PATIENCE)
        .until(() -> installation.query("select active from pg_replication_slots").equals("t"));
    return app;
  }

  private static long slots() throws SQLException {
    return Long.parseLong(installation.query("select count(*) from pg_replication_slots"));
  }

  private static void awaitSlotPast(String lsn) {
    await()
        .atMost(PATIENCE)
        .until(() ->
            installation
                .query("select confirmed_flush_lsn >= '" + lsn + "' from pg_replication_slots")
                .equals("t"));
  }
}
