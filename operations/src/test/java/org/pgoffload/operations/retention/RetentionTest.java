package org.pgoffload.operations.retention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Result;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.schema.OnPostgresVersions;
import org.pgoffload.schema.SentRequest;
import org.pgoffload.schema.Session;

/// Ranges of ids: begun in time, removed whole when they are old and everything in them has ended.
final class RetentionTest extends OnPostgresVersions {
  private static final String TELL_COUNTS = "select pg_stat_force_next_flush()";

  private static final long IDS_OF_A_RANGE = 1L << 36;

  @AfterEach
  void endEverything() {
    database.answerAll();
    setting("worker_dead_after", "4 s");
    setting("retention", "7 days");
    setting("id_range_lasts", "1 day");
  }

  @Test
  void makesPartitionsOfTheNextRangeAheadAndLeavesTheRestAlone() throws SQLException {
    long current = range();
    assertThat(RemoveOldRequests.run(database.address(), true)).isEmpty();
    assertThat(range()).isEqualTo(current);
    assertThat(
            database.admin().number("select count(*) from pgoffload.partitions_of(?)", current + 1))
        .isEqualTo(database.admin().number("select count(*) from pgoffload.partitioned_tables()"))
        .isGreaterThanOrEqualTo(10);
  }

  @Test
  void knowsTheRecentRangesWhenTheirFunctionIsMadeAnew() throws SQLException {
    over();
    assertThat(RemoveOldRequests.run(database.address(), true)).isNotEmpty();
    var recent = database.admin().number("select pgoffload.recent_from()");
    assertThat(recent).isEqualTo((range() - 1) * IDS_OF_A_RANGE);
    database
        .admin()
        .run("update pgoffload.schema_history set checksum = 0 where description = '02 envelopes'");
    assertThat(InstallSchema.run(database.address(), "public")).isNotEmpty();
    assertThat(database.admin().number("select pgoffload.recent_from()")).isEqualTo(recent);
  }

  @Test
  void beginsTheNextRangeWhenTheCurrentOneIsOver() throws SQLException {
    long current = range();
    var before = database.inserted("app");
    database.onlySent();
    over();
    assertThat(RemoveOldRequests.run(database.address(), true))
        .containsExactly("began range " + (current + 1) + " of ids");
    assertThat(before / IDS_OF_A_RANGE).isEqualTo(current);

    // the first id of the range, sent by the partition's own trigger
    var after = database.inserted("app");
    assertThat(after).isEqualTo((current + 1) * IDS_OF_A_RANGE);
    var sent = database.onlySent();
    assertThat(sent.id()).isEqualTo(after);
    try (var worker = database.worker("w");
        var app = database.open("app");
        var other = database.open("mallory")) {
      assertThat(worker.claim(sent)).containsExactly("claimed|1");
      assertThat(database.record(database.answered(after, "app", "late"))).isEqualTo(1);
      assertThat(app.value("select llm_result(?)", after)).isEqualTo("late");
      // rights are those of the whole table
      assertThat(other.refused("select llm_result(?)", after).state()).isEqualTo("42704");
      assertThat(app.refused("select * from pgoffload.llm_request_" + (current + 1)).state())
          .isEqualTo("42501");
      app.run("begin read only");
      var readOnly =
          app.number(
              "select pgoffload.emit_llm_request('ask', 'p', null, null, null, null, null, null, null, null, null, null)");
      app.run("commit");
      assertThat(readOnly)
          .isBetween(
              (current + 1) * IDS_OF_A_RANGE + IDS_OF_A_RANGE / 2,
              (current + 2) * IDS_OF_A_RANGE - 1);
      assertThat(worker.claim(database.awaitSent())).containsExactly("claimed|1");
      database.record(database.answered(readOnly, "app", "a"));
    }
  }

  /// Whoever may ask may draw ids without asking.
  @Test
  void beginsTheNextRangeBeforeSomebodyHasDrawnAllIdsOfThisOne() throws SQLException {
    long current = range();
    try (var app = database.open("app")) {
      database
          .admin()
          .run(
              "select setval('pgoffload.request_id', ?)",
              current * IDS_OF_A_RANGE + IDS_OF_A_RANGE / 16 * 7);
      app.run("select nextval('pgoffload.request_id')");
    }
    assertThat(retentionHealth()).contains("warning|", "88 % of the ids of the current range");
    assertThat(RemoveOldRequests.run(database.address(), false))
        .containsExactly("began range " + (current + 1) + " of ids");
    assertThat(retentionHealth()).doesNotContain("% of the ids");
    assertThat(database.inserted("app")).isEqualTo((current + 1) * IDS_OF_A_RANGE);
    database.record(database.answered(database.onlySent().id(), "app", "a"));
  }

  @Test
  void saysWhichTaskKeepsItsRangeAndInWhichSessionItRuns() throws SQLException {
    try (var ann = database.open("ann");
        var worker = database.sqlWorker("long")) {
      RemoveOldRequests.run(database.address(), true);
      long first = range();
      long task = ann.number("insert into sql_request (command) values ('select 1') returning id");
      try (var running = worker.begin(database.onlySent())) {
        over();
        RemoveOldRequests.run(database.address(), true);
        old(first);
        RemoveOldRequests.run(database.address(), true);
        assertThat(retentionHealth())
            .startsWith("warning|")
            .contains(
                "request " + task + " of role ann, asked at ",
                "select sql_cancel(" + task + ")",
                "select pg_terminate_backend(" + running.pid() + ")");
        running.complete(running.execute("select 1"));
      }
      assertThat(retentionHealth()).doesNotContain("request " + task);
      assertThat(RemoveOldRequests.run(database.address(), true)).contains(removed(first));
    }
  }

  private String retentionHealth() {
    try (var app = database.open("app")) {
      return app.rows("select state, detail, advice from llm_health where \"check\" = 'retention'")
          .getFirst();
    }
  }

  @Test
  void answersACallerThatHasWaitedSinceAFormerRange() throws SQLException {
    try (var app = database.open("app");
        var ann = database.open("ann");
        var worker = database.sqlWorker("late")) {
      long asked = database.inserted("app");
      database.onlySent();
      endsAfterRanges(app, asked, () -> database.record(database.answered(asked, "app", "a")));
      long task = ann.number("insert into sql_request (command) values ('select 1') returning id");
      var sent = database.onlySent();
      endsAfterRanges(ann, task, () -> worker.run(sent));
      assertThat(ann.value("select sql_status(?)", task)).isEqualTo("succeeded");
    }
  }

  /// A look is planned for the newest partitions; the caller has to notice that its own is none.
  private void endsAfterRanges(Session session, long id, Runnable end) throws SQLException {
    var wait = "select status from llm_wait(array[" + id + "])";
    var waiting = database.beginWaiting(session, "PgSleep", () -> session.rows(wait));
    for (int ranges = 0; ranges < 3; ranges++) {
      over();
      RemoveOldRequests.run(database.address(), true);
    }
    assertThat(range()).isGreaterThan(id / IDS_OF_A_RANGE + 1);
    end.run();
    assertThat(waiting.join()).containsExactly("succeeded");
  }

  @Test
  void aRangeIsNotBegunByTheTransactionThatMakesItsPartitions() throws SQLException {
    var admin = database.admin();
    RemoveOldRequests.run(database.address(), true);
    admin.run("begin");
    admin.run("select pgoffload.begin_id_range()");
    admin.run("commit");
    long current = range();
    admin.run("begin");
    admin.run("select pgoffload.make_partitions(?)", current + 1);
    assertThat(admin.refused("select pgoffload.begin_id_range()").message())
        .contains("has no partitions yet");
    admin.run("rollback");
    assertThat(range()).isEqualTo(current);
    RemoveOldRequests.run(database.address(), true);
  }

  @Test
  void removesARangeWholeOnceItIsOldAndEverythingInItHasEnded() throws SQLException {
    long first = range();
    long answered = database.inserted("app");
    long open = database.inserted("app");
    database.sent();
    database.record(database.answered(answered, "app", "a"));
    over();
    RemoveOldRequests.run(database.address(), true);
    long kept = database.inserted("app");
    database.sent();
    old(first);

    // one of its requests has no result: nothing of it is removed
    assertThat(RemoveOldRequests.run(database.address(), true)).isEmpty();
    assertThat(
            database
                .admin()
                .rows("select unanswered, example from pgoffload.begin_removal(" + first + ")"))
        .containsExactly("1|" + open);
    assertThat(database.admin().value("select llm_result(?)", answered)).isEqualTo("a");
    assertThat(retentionHealth())
        .startsWith("warning|")
        .contains("request " + open + " of role app, asked at ", "select llm_cancel(" + open + ")")
        .doesNotContain("pg_terminate_backend");

    database.record(database.answered(open, "app", "b"));
    assertThat(retentionHealth()).doesNotContain("request " + open);
    assertThat(RemoveOldRequests.run(database.address(), true)).contains(removed(first));
    try (var app = database.open("app")) {
      assertThat(app.refused("select llm_status(?)", answered).state()).isEqualTo("42704");
      assertThat(app.value("select llm_status(?)", kept)).isEqualTo("queued");
      assertThat(app.rows("select id from llm_request")).containsExactly(Long.toString(kept));
    }
    assertThat(
            database
                .admin()
                .rows(
                    "select relname from pg_class where relname ~ ? and relkind in ('r', 'i')",
                    "_" + first + "(_|$)"))
        .isEmpty();
    assertThat(RemoveOldRequests.run(database.address(), true)).isEmpty();
  }

  @Test
  void aLateResultOfARemovedRangeIsRefusedAlone() throws SQLException {
    long first = range();
    long gone = database.inserted("app");
    database.sent();
    database.record(database.answered(gone, "app", "a"));
    over();
    RemoveOldRequests.run(database.address(), true);
    old(first);
    RemoveOldRequests.run(database.address(), true);
    assertThatThrownBy(() -> database.record(database.answered(gone, "app", "again")))
        .hasMessageContaining("no partition of relation");
  }

  @Test
  void waitsForNobodyButThoseWhoReadAtThatMomentAndFinishesWhatWasInterrupted()
      throws SQLException {
    long first = range();
    over();
    RemoveOldRequests.run(database.address(), true);
    old(first);
    var admin = database.admin();
    try (var reader = database.open("app");
        var writer = database.open("app")) {
      reader.run("begin");
      reader.rows("select * from llm_request");
      var maintenance =
          CompletableFuture.runAsync(() -> {
            try {
              RemoveOldRequests.run(database.address(), true);
            } catch (SQLException e) {
              throw new IllegalStateException(e);
            }
          });
      Awaitility.await()
          .until(() ->
              !admin
                  .rows(
                      "select from pg_stat_activity where application_name = 'pgoffload maintain' and wait_event = 'virtualxid'")
                  .isEmpty());
      // others go on meanwhile, both ways
      var id = writer.number("insert into llm_request (prompt) values ('p') returning id");
      assertThat(writer.value("select llm_status(?)", id)).isEqualTo("queued");
      database.record(database.answered(id, "app", "a"));
      assertThat(writer.value("select llm_result(?)", id)).isEqualTo("a");

      // killed in the middle
      admin.run(
          "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgoffload maintain'");
      assertThatThrownBy(maintenance::join).hasRootCauseInstanceOf(SQLException.class);
      assertThat(admin.rows("select inhparent::regclass from pg_inherits where inhdetachpending"))
          .containsExactly("llm_request");
      assertThat(writer.value("select llm_result(?)", id)).isEqualTo("a");
      reader.run("commit");
    }
    assertThat(RemoveOldRequests.run(database.address(), true)).contains(removed(first));
    database.sent();
  }

  @Test
  void waitsForATransactionThatHasInsertedIntoAnOldRangeAndKeepsWhatItCommits()
      throws SQLException {
    long first = range();
    try (var writer = database.open("app")) {
      writer.run("begin");
      var late = writer.number("insert into llm_request (prompt) values ('late') returning id");
      over();
      RemoveOldRequests.run(database.address(), true);
      old(first);
      var maintenance =
          CompletableFuture.supplyAsync(() -> {
            try {
              return RemoveOldRequests.run(database.address(), true);
            } catch (SQLException e) {
              throw new IllegalStateException(e);
            }
          });
      Awaitility.await()
          .until(() ->
              !database
                  .admin()
                  .rows(
                      "select from pg_stat_activity where application_name = 'pgoffload maintain' and wait_event_type = 'Lock'")
                  .isEmpty());
      writer.run("commit");
      assertThat(maintenance.join()).doesNotContain(removed(first));
      assertThat(writer.value("select llm_status(?)", late)).isEqualTo("queued");
      database.record(database.answered(late, "app", "a"));
      assertThat(RemoveOldRequests.run(database.address(), true)).contains(removed(first));
    }
    database.sent();
  }

  @Test
  void leavesNoDeadRowsBehind() throws SQLException {
    try (var worker = database.worker("w");
        var app = database.open("app")) {
      app.run("insert into llm_request (prompt) select 'p' || n from generate_series(1, 300) n");
      // the worker renews no lease, and a busy machine must not let it run out
      setting("worker_dead_after", "10 min");
      var sent = database.sent();
      worker.claim(sent.toArray(SentRequest[]::new));
      var results =
          sent.stream()
              .map(request -> database.answered(request.id(), "app", "a"))
              .toArray(Result[]::new);
      assertThat(database.record(results)).isEqualTo(300);
      assertThat(database.record(results)).isZero();
      var touched =
          """
          select s.relname, s.n_tup_upd, s.n_tup_del, s.n_dead_tup
          from pg_stat_all_tables s join pg_inherits i on i.inhrelid = s.relid
          where i.inhparent in (select t from pgoffload.partitioned_tables() t)
            and (s.n_tup_upd > 0 or s.n_tup_del > 0 or s.n_dead_tup > 0)
          """;
      // sessions that stay open would tell their counts when they have been idle for 10 s
      app.run(TELL_COUNTS);
      worker.session().run(TELL_COUNTS);
      database.asResults(session -> session.run(TELL_COUNTS));
      Awaitility.await()
          .atMost(Duration.ofSeconds(30))
          .until(() ->
              database
                      .admin()
                      .number(
                          "select coalesce(sum(n_tup_ins), 0) from pg_stat_all_tables where relname like 'llm_result%'")
                  >= 300);
      assertThat(database.admin().rows(touched)).isEmpty();
    }
  }

  @Test
  void removesOldRowsOfTheOtherTables() throws SQLException {
    var admin = database.admin();
    long first = range();
    admin.run(
        "insert into pgoffload.llm_cache (scope, key, number, id) select 0, sha256(n::text::bytea), 1, ? from generate_series(1, 2500) n",
        first * IDS_OF_A_RANGE);
    admin.run(
        "insert into pgoffload.llm_usage_minute select timestamptz '2020-01-01 00:00Z', ?, 'app', 'p', 'm', 1, 0, 0, 1, 0, 1, 0, 1, 0",
        database.oid("app"));
    admin.run(
        "insert into pgoffload.worker (name, epoch, provider, model, version, heartbeat_at) values ('ancient', 7, 'p', 'm', 'v', '2020-01-01 00:00Z'), ('recent', 7, 'p', 'm', 'v', now())");
    over();
    RemoveOldRequests.run(database.address(), true);
    old(first);
    RemoveOldRequests.run(database.address(), true);
    assertThat(admin.rows("select from pgoffload.llm_cache")).isEmpty();
    assertThat(admin.rows("select from pgoffload.llm_usage_minute")).isEmpty();
    assertThat(admin.rows("select name from pgoffload.worker where name in ('ancient', 'recent')"))
        .containsExactly("recent");
    admin.run("delete from pgoffload.worker");
  }

  @Test
  void onlyTheOwnerMayDoAnyOfIt() {
    try (var app = database.open("app");
        var worker = database.open("worker_login")) {
      for (var call :
          new String[] {
            "begin_id_range()",
            "make_partitions(7)",
            "drop_detached(0)",
            "forget_id_range(0)",
            "remove_old_rows()",
            "old_id_ranges()",
            "begin_removal(0)",
            "record_capture_break('r')"
          }) {
        assertThat(app.refused("select pgoffload." + call).state()).isEqualTo("42501");
        assertThat(worker.refused("select pgoffload." + call).state()).isEqualTo("42501");
      }
    }
  }

  private static String removed(long range) {
    return "removed range " + range + " of ids, with all its requests and results";
  }

  private long range() {
    return database.admin().number("select pgoffload.current_id_range()");
  }

  /// The current range has lasted long enough.
  private void over() {
    database
        .admin()
        .run(
            "update pgoffload.id_range set begun_at = begun_at - interval '2 days' where number = pgoffload.current_id_range()");
  }

  /// Everything that was asked in this range and before is older than the retention.
  private void old(long number) {
    database
        .admin()
        .run(
            "update pgoffload.id_range set begun_at = begun_at - interval '30 days' where number <= ? + 1",
            number);
    setting("id_range_lasts", "100 days");
  }

  private void setting(String name, String value) {
    database.admin().run("update pgoffload.setting set value = ? where name = ?", value, name);
  }
}
