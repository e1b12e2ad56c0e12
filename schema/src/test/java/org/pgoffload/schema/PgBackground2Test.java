package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What pg_background 2.x has: its names, the shapes of its types, and where it behaves otherwise
/// than 1.10. What both do is in PgBackgroundV2Test, by the older names, which call the newer ones.
final class PgBackground2Test extends WithSqlWorker {
  /// A handle as two arguments.
  private String launched(String command) {
    return launched("pg_background_launch", command, "null");
  }

  private String ran(String command) {
    return ran("pg_background_launch", command);
  }

  private static <T> CompletableFuture<T> meanwhile(Supplier<T> call) {
    return CompletableFuture.supplyAsync(call);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          pg_background_handle        | pid int4, cookie int8
          pg_background_stats         | workers_launched int8, workers_completed int8, workers_failed int8, workers_canceled int8, workers_timed_out int8, workers_active int4, avg_execution_ms float8, max_workers int4
          pg_background_progress_info | progress_pct int4, progress_msg text
          pg_background_result_info   | row_count int8, command_tag text, completed bool, has_error bool, started_at timestamptz, finished_at timestamptz
          pg_background_error         | sqlstate text, message text, detail text, hint text, context text, schema_name text, table_name text, column_name text, constraint_name text
          pg_background_outcome       | pid int4, cookie int8, state text, consumed bool, completed bool, has_error bool, row_count int8, command_tag text, sqlstate text, error_message text, label text, launched_at timestamptz
          pg_background_run_result    | pid int4, cookie int8, state text, consumed bool, completed bool, has_error bool, row_count int8, command_tag text, sqlstate text, error_message text, label text, launched_at timestamptz, timed_out bool, elapsed_ms int8
          """)
  void hasATypeWithItsColumns(String type, String columns) {
    assertThat(
            ann.value(
                """
                select string_agg(a.attname || ' ' || t.typname, ', ' order by a.attnum)
                from pg_attribute a join pg_type t on t.oid = a.atttypid
                where a.attrelid = '%s'::regclass and a.attnum > 0 and not a.attisdropped
                """
                    .formatted(type)))
        .isEqualTo(columns);
  }

  @Test
  void givesItsTypesToVariables() {
    var handle = ran("insert into nowhere values (1)");
    ann.run(
        """
        do $$
        declare
          stats pg_background_stats;
          progress pg_background_progress_info;
          info pg_background_result_info;
          error pg_background_error;
          outcome pg_background_outcome;
        begin
          stats := pg_background_stats();
          assert stats.workers_failed = 1 and stats.workers_timed_out = 0;
          progress := pg_background_get_progress(%1$s);
          assert progress.progress_pct is null;
          info := pg_background_result_info(%1$s);
          assert info.completed and info.has_error and info.started_at <= info.finished_at;
          error := pg_background_error_info(%1$s);
          assert error.sqlstate = '42P01' and error.constraint_name is null;
          outcome := pg_background_outcome(%1$s);
          assert outcome.has_error and outcome.error_message = error.message;
        end $$
        """
            .formatted(handle));
    // by the names of its arguments
    assertThat(
            ann.value(
                "select (pg_background_outcome(p_cookie => h.cookie, p_pid => h.pid)).state from (values (%s)) h (pid, cookie)"
                    .formatted(handle)))
        .isEqualTo("stopped");
  }

  @Test
  void namesWhatAnErrorIsAbout() {
    database
        .admin()
        .run(
            "create table thing (n int constraint thing_is_small check (n < 10), m int not null); grant insert on thing to ann");
    var named =
        "select sqlstate, schema_name, table_name, column_name, constraint_name from pg_background_error_info(%s)";
    assertThat(ann.rows(named.formatted(ran("insert into thing values (11, 1)"))))
        .containsExactly("23514|public|thing|null|thing_is_small");
    assertThat(ann.rows(named.formatted(ran("insert into thing values (1, null)"))))
        .containsExactly("23502|public|thing|m|null");
    assertThat(ann.rows(named.formatted(ran("select 1 as a"))))
        .containsExactly("null" + "|null".repeat(4));
  }

  @Test
  void saysWhenATaskBeganAndEnded() {
    var times =
        "select started_at between launched_at - interval '1 min' and clock_timestamp(), finished_at >= started_at from pg_background_result_info(%1$s), pg_background_outcome(%1$s)";
    var handle = launched("select 1 as a");
    var request = database.onlySent();
    worker
        .session()
        .run("select pgoffload.record_sql_requests(?)", (Object) new String[] {request.text()});
    assertThat(ann.rows(times.formatted(handle))).containsExactly("null|null");
    try (var task = worker.begin(request)) {
      assertThat(ann.rows(times.formatted(handle))).containsExactly("t|null");
      task.complete(task.execute("select 1 as a"));
    }
    assertThat(ann.rows(times.formatted(handle))).containsExactly("t|t");
  }

  @Test
  void waitsForAsLongAsItTakesUnlessATimeIsGiven() {
    var handle = launched("select 1 as a");
    var request = database.onlySent();
    assertThat(ann.value("select pg_background_wait(" + handle + ", 1)")).isEqualTo("f");
    assertThat(ann.value("select pg_background_wait_v2(" + handle + ", timeout_ms => 1)"))
        .isEqualTo("f");
    assertThat(ann.value("select pg_background_wait_v2_timeout(" + handle + ", 0)")).isEqualTo("f");
    var waiting =
        database.beginWaiting(
            ann,
            "PgSleep",
            () ->
                ann.rows(
                    "select pg_background_wait(%1$s, 0), pg_background_wait(%1$s, -5), pg_background_wait(%1$s), pg_background_wait_v2(%1$s)"
                        .formatted(handle)));
    assertThat(waiting).isNotDone();
    worker.run(request);
    assertThat(waiting.join()).containsExactly("t|t|t|t");
    assertThat(ann.value("select pg_background_wait(" + handle + ", null) is null")).isEqualTo("t");
  }

  @Test
  void cancelsWithAndWithoutWaitingForTheEnd() {
    var handle = launched("x");
    var request = database.onlySent();
    ann.run("select pg_background_cancel(" + handle + ")");
    ann.run("select pg_background_cancel(" + handle + ", -1)");
    ann.run("select pg_background_cancel_v2(" + handle + ", 1)");
    ann.run("select pg_background_cancel_v2_grace(" + handle + ", 1)");
    assertThat(database.sent())
        .hasSize(4)
        .allMatch(sent -> sent.envelope().kind().equals("cancel") && sent.id() == request.id());
    // more than the hour at which it is capped, and than an interval of milliseconds
    var cancel = "select 'done' from pg_background_cancel(" + handle + ", grace_ms => 2147483647)";
    var cancelling = database.beginWaiting(ann, "PgSleep", () -> ann.rows(cancel));
    worker.recordCancellation(request.id(), "ann");
    worker.run(request);
    assertThat(cancelling.join()).containsExactly("done");
    assertThat(database.sent()).hasSize(1);
  }

  @Test
  void leavesWhatItDoesNotComeToInTimeAttached() {
    var slow = launched("x");
    var ended = launched("select 1 as a");
    var sent = database.sent();
    worker.run(sent.get(1));
    var handles = "array[row(%s), row(%s)]::pg_background_handle[]".formatted(slow, ended);
    assertThat(ann.rows("select cookie, completed from pg_background_drain(" + handles + ", 50)"))
        .containsExactly(sent.get(0).id() + "|f", sent.get(1).id() + "|t");
    // the one that it waited for is detached, the other is not
    assertThat(ann.refused("select pg_background_wait(" + slow + ", 1)").state())
        .isEqualTo("42704");
    assertThat(ann.rows("select * from pg_background_result(" + ended + ") as (a int)"))
        .containsExactly("1");
  }

  @ParameterizedTest
  @ValueSource(strings = {"pg_background_run", "pg_background_run_v2"})
  void returnsTheWholeOutcomeOfARun(String run) {
    var done =
        meanwhile(() ->
            ann.rows(
                "select pid, cookie, state, consumed, completed, has_error, row_count, command_tag, sqlstate, error_message, label, launched_at is not null, timed_out, elapsed_ms >= 0 from "
                    + run
                    + "('select 1 as a', label => 'l')"));
    var request = database.awaitSent();
    worker.run(request);
    assertThat(done.join())
        .containsExactly(
            "%1$s|%1$s|stopped|f|t|f|1|SELECT 1|null|null|l|t|f|t".formatted(request.id()));
    assertThat(ann.rows("select * from " + run + "(null)"))
        .containsExactly("null" + "|null".repeat(13));
  }

  @Test
  void countsTheRunsWhoseTimeWasUp() {
    for (int i = 1; i <= 2; i++) {
      var run =
          meanwhile(() ->
              ann.rows("select timed_out, completed, sqlstate from pg_background_run('x', 0, 50)"));
      // on a busy machine both come at once
      var sent = database.awaitSent(2);
      worker.recordCancellation(sent.getFirst().id(), "ann");
      worker.run(sent.getFirst());
      assertThat(run.join()).hasSize(1).allMatch(row -> row.startsWith("t|"));
      assertThat(
              ann.rows(
                  "select workers_launched, workers_canceled, workers_timed_out from pg_background_stats()"))
          .containsExactly("%1$d|%1$d|%1$d".formatted(i));
    }
    // a setting of the session's, which the session may set
    ann.run("set pgoffload.timed_out = 'many'");
    assertThat(ann.value("select workers_timed_out from pg_background_stats()")).isEqualTo("0");
  }

  @ParameterizedTest
  @ValueSource(strings = {"pg_background_run_query", "pg_background_run_query_v2"})
  void returnsTheRowsOfARun(String run) {
    ann.run("begin; set local intervalstyle = 'iso_8601'; set local search_path = pg_temp, public");
    var rows =
        meanwhile(() ->
            ann.rows(
                "select n, i, current_setting('search_path') from "
                    + run
                    + "('x', label => 'l', col_def => 'n numeric(5,1), i interval') as (n numeric(5,1), i interval)"));
    var request = database.awaitSent();
    var settings = request.envelope().payload().path("settings");
    // those of the caller, not of the function
    assertThat(settings.path("IntervalStyle").asText()).isEqualTo("iso_8601");
    assertThat(settings.path("search_path").asText()).isEqualTo("pg_temp, public");
    assertThat(settings.has("DateStyle")).isFalse();
    assertThat(request.envelope().payload().path("label").asText()).isEqualTo("l");
    try (var task = worker.begin(request)) {
      task.complete(task.execute("select 1.25 as n, interval '-1 day 2 hours' as i"));
    }
    worker.published(request.id());
    assertThat(rows.join()).containsExactly("1.3|P-1DT2H|pg_temp, public");
    assertThat(ann.value("show intervalstyle")).isEqualTo("iso_8601");
    assertThat(ann.value("select current_setting('pgoffload.attached')")).isEmpty();
    ann.run("rollback");
    assertThat(ann.value("show intervalstyle")).isEqualTo("postgres");
    assertThat(ann.rows("select * from " + run + "(null, col_def => 'a int') as (a int)"))
        .isEmpty();
  }

  @Test
  void raisesWhatARunsQueryRaises() {
    var query = "select * from pg_background_run_query('select 1/0', 0, %s, null, %s) as (a int)";
    var failed = meanwhile(() -> ann.refused(query.formatted("0", "'a int'")));
    worker.run(database.awaitSent());
    assertThat(failed.join().state()).isEqualTo("22012");

    var late = meanwhile(() -> ann.refused(query.formatted("50", "'a int'")));
    var sent = database.awaitSent(2);
    worker.recordCancellation(sent.getFirst().id(), "ann");
    worker.run(sent.getFirst());
    assertThat(late.join().state()).isEqualTo("57014");
    assertThat(late.join().message())
        .isEqualTo("pg_background_run_query: worker did not complete within 50 ms");

    // without a list nothing is returned, and it runs all the same
    var unread =
        meanwhile(
            () -> ann.rows("select * from pg_background_run_query('select 1 as a') as (a int)"));
    worker.run(database.awaitSent());
    assertThat(unread.join()).isEmpty();
    // the text is no SQL of anybody's
    var injected =
        meanwhile(() ->
            ann.rows(
                "select * from pg_background_run_query('select 1 as a', col_def => 'a int); drop table x; --') as (a int)"));
    worker.run(database.awaitSent());
    assertThat(injected.join()).containsExactly("1");
  }

  @Test
  void launchesWithALabelToAHandleWhateverTheNameMeansWithoutOne() {
    assertThat(ann.value("select pg_typeof(pg_background_launch('x', 0, 'l'))"))
        .isEqualTo("pg_background_handle");
    assertThat(ann.value("select pg_typeof(pg_background_launch('x', 0, null))"))
        .isEqualTo("pg_background_handle");
    assertThat(ann.value("select pg_typeof(pg_background_launch('x'))")).isEqualTo("integer");
    assertThat(ann.value("select pg_typeof(pg_background_submit('x'))"))
        .isEqualTo("pg_background_handle");
    assertThat(ann.value("select pg_background_launch(null, 0, 'l') is null")).isEqualTo("t");
    assertThat(database.sent()).hasSize(4);
  }

  @Test
  void listsBesideTheViewOfTheSameName() {
    var handle = ran("select 1 as a");
    var listed =
        "select pid || ', ' || cookie, state from %s where cookie = " + handle.split(", ", -1)[1];
    assertThat(ann.rows(listed.formatted("pg_background_list")))
        .containsExactly(handle + "|stopped");
    assertThat(
            ann.rows(
                listed.formatted(
                    "pg_background_list() as (pid int4, cookie int8, launched_at timestamptz, user_id oid, queue_size int4, state text, sql_preview text, last_error text, consumed bool, label text)")))
        .containsExactly(handle + "|stopped");
  }

  @ParameterizedTest
  @ValueSource(strings = {"read committed", "repeatable read"})
  void showsWhatItHasLaunchedBeforeAnyWorkerHasHeardOfIt(String isolation) {
    ann.run("begin isolation level " + isolation);
    var handle = launched("pg_background_launch", "select 1 as a", "'l ''ä'''");
    ann.run("select pg_background_submit('x')");
    var listed =
        "select state, user_id = 'ann'::regrole, label, consumed from pg_background_list where ";
    assertThat(ann.rows(listed + "(pid, cookie) = (" + handle + ")"))
        .containsExactly("starting|t|l 'ä'|f");
    assertThat(
            ann.rows("select state, label, completed from pg_background_outcome(" + handle + ")"))
        .containsExactly("starting|l 'ä'|f");
    assertThat(ann.rows("select workers_launched, workers_active from pg_background_stats()"))
        .containsExactly("2|2");
    // both, and one
    database.sent();
    assertThat(ann.value("select pg_background_cancel_all()")).isEqualTo("2");
    assertThat(ann.value("select pg_background_cancel_by_label('l ''_''')")).isEqualTo("1");
    assertThat(database.sent())
        .hasSize(3)
        .allMatch(sent -> sent.envelope().kind().equals("cancel"));
    assertThat(ann.value("select pg_background_purge()")).isEqualTo("0");
    // nobody else's
    try (var bea = database.open("bea")) {
      bea.run(
          "select set_config('pgoffload.attached', ?, false)",
          ann.value("select current_setting('pgoffload.attached')"));
      assertThat(bea.rows("select * from pg_background_list")).isEmpty();
    }
    assertThat(ann.value("select pg_background_detach_all()")).isEqualTo("2");
    assertThat(ann.rows(listed + "(pid, cookie) = (" + handle + ")")).isEmpty();
    assertThat(ann.value("select current_setting('pgoffload.attached')")).isEmpty();
    ann.run("rollback");
  }

  @Test
  void reportsProgressInsideATaskAlone() {
    for (var function : List.of("pg_background_report_progress", "pg_background_progress")) {
      assertThat(ann.refused("select " + function + "(50, 'half')").state()).isEqualTo("0A000");
    }
  }

  @Test
  void grantsRevokesAndDropsForItsOwnerAlone() {
    var admin = database.admin();
    var grantee = "grantee_" + database.address().database();
    var isMember = "select pg_has_role('" + grantee + "', 'pgbackground_role', 'member')";
    admin.run("create role " + grantee);
    try {
      assertThat(admin.value("select pg_background_grant_privileges('" + grantee + "')"))
          .isEqualTo("t");
      assertThat(admin.value(isMember)).isEqualTo("t");
      assertThat(
              admin.value("select pg_background_revoke_privileges(role_name => '" + grantee + "')"))
          .isEqualTo("t");
      assertThat(admin.value(isMember)).isEqualTo("f");
      assertThat(admin.value("select pg_background_grant_privileges('pgbackground_role', false)"))
          .isEqualTo("t");
      var error = admin.refused("select pg_background_drop_executor_role()");
      assertThat(error.state()).isEqualTo("2BP01");
      assertThat(error.hint()).contains("pg_background_revoke_privileges");
      for (var call :
          List.of(
              "pg_background_grant_privileges('ann')",
              "pg_background_revoke_privileges('ann')",
              "pg_background_drop_executor_role()")) {
        assertThat(ann.refused("select " + call).state()).isEqualTo("42501");
      }
    } finally {
      admin.run("drop role " + grantee);
    }
  }
}
