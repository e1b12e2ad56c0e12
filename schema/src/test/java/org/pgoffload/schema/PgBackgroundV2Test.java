package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The functions of pg_background that know a task by its pid and cookie.
final class PgBackgroundV2Test extends WithSqlWorker {
  /// A handle as two arguments.
  private String launched(String command) {
    return launched("pg_background_launch_v2", command, "null");
  }

  private String ran(String command) {
    return ran("pg_background_launch_v2", command);
  }

  private List<String> call(String function, String handle) {
    return ann.rows("select * from " + function.formatted(handle));
  }

  @Test
  void readsAResultByItsHandleOnceInEachSession() {
    var handle = ran("select 1 as a");
    try (var other = database.open("ann");
        var chief = database.open("chief");
        var bea = database.open("bea")) {
      for (var session : List.of(ann, other, chief)) {
        var read = "select * from pg_background_result_v2(" + handle + ") as (a int)";
        assertThat(session.rows(read)).containsExactly("1");
        assertThat(session.refused(read).state()).isEqualTo("42704");
      }
      var error = bea.refused("select * from pg_background_result_v2(" + handle + ") as (a int)");
      assertThat(error.state()).isEqualTo("42704");
      assertThat(bea.rows("select * from pg_background_list")).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "pg_background_result_v2(%s) as (a int)",
        "pg_background_detach_v2(%s)",
        "pg_background_cancel_v2(%s)",
        "pg_background_cancel_v2_grace(%s, 1)",
        "pg_background_wait_v2(%s)",
        "pg_background_wait_v2_timeout(%s, 1)",
        "pg_background_get_progress_v2(%s)",
        "pg_background_result_info_v2(%s)",
        "pg_background_error_info_v2(%s)",
        "pg_background_full_sql_v2(%s)"
      })
  void refusesAWrongHandle(String function) {
    var handle = ran("select 1 as a");
    var pid = handle.split(", ", -1)[0];
    var stale = ann.refused("select * from " + function.formatted(pid + ", 4711"));
    assertThat(stale.state()).isEqualTo("55000");
    assertThat(stale.message()).isEqualTo("cookie mismatch for PID " + pid);
    assertThat(stale.hint())
        .contains("stale", "(pg_background_launch_v2(…)).* launches once for each column");
    for (var unknown : List.of("999999, 999999", "5, 999999")) {
      var error = ann.refused("select * from " + function.formatted(unknown));
      assertThat(error.state()).isEqualTo("42704");
      assertThat(error.message())
          .isEqualTo("PID " + unknown.split(", ", -1)[0] + " is not attached to this session");
    }
    assertThat(ann.rows("select * from " + function.formatted("null, null")).toString())
        .doesNotContain("1");
    // in the same session, as a role that is not the launcher's
    database.admin().run("grant bea to ann");
    ann.run("set role bea");
    var foreign = ann.refused("select * from " + function.formatted(handle));
    assertThat(foreign.state()).isEqualTo("42501");
    assertThat(foreign.message())
        .isEqualTo("permission denied for background worker with PID \"" + pid + "\"");
    ann.run("reset role");
    database.admin().run("revoke bea from ann");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void neverRaisesWhereTheOutcomeIsAsked() {
    for (var function : List.of("pg_background_outcome_v2", "pg_background_status_v2")) {
      for (var handle : List.of("999999, 999999", "null, null", "5, null")) {
        assertThat(call(function + "(%s)", handle)).hasSize(1);
      }
    }
    assertThat(call("pg_background_outcome_v2(%s)", "999998, 999998").getFirst())
        .isEqualTo("999998|999998" + "|null".repeat(10));
  }

  @Test
  void refusesTheRowsOfWhatWasSubmitted() {
    var handle = launched("pg_background_submit_v2", "select 1 as a", "'l'");
    var pid = handle.split(", ", -1)[0];
    var request = database.onlySent();
    assertThat(request.envelope().payload().path("submitted").asBoolean()).isTrue();
    for (int i = 0; i < 2; i++) {
      for (var read :
          List.of(
              "select * from pg_background_result_v2(" + handle + ") as (a int)",
              "select * from pg_background_result(" + pid + ") as (a int)")) {
        var error = ann.refused(read);
        assertThat(error.state()).isEqualTo("0A000");
        assertThat(error.message())
            .isEqualTo("results are disabled for PID " + pid + " (submitted via submit_v2)");
      }
      if (i == 0) {
        worker.run(request);
      }
    }
    assertThat(
            ann.rows(
                "select row_count, command_tag, completed, has_error from pg_background_result_info_v2("
                    + handle
                    + ")"))
        .containsExactly("1|SELECT 1|t|f");
    try (var other = database.open("ann")) {
      assertThat(
              other
                  .refused("select * from pg_background_result_v2(" + handle + ") as (a int)")
                  .state())
          .isEqualTo("0A000");
    }
    // undone with its transaction, and known all the same
    ann.run("begin");
    var undone = launched("pg_background_submit_v2", "select 1 as a", "null");
    ann.run("rollback");
    worker.runAll();
    assertThat(
            ann.refused("select * from pg_background_result_v2(" + undone + ") as (a int)").state())
        .isEqualTo("0A000");
  }

  @Test
  void showsWhatBecomesOfATask() {
    var handle = launched("pg_background_launch_v2", "select 1 as a", "'lab'");
    var request = database.onlySent();
    worker
        .session()
        .run("select pgoffload.record_sql_requests(?)", (Object) new String[] {request.text()});
    var shown =
        "select state, consumed, completed, has_error, row_count, command_tag, sqlstate, error_message, label from pg_background_outcome_v2("
            + handle
            + ")";
    assertThat(ann.rows(shown)).containsExactly("starting|f|f|f|null|null|null|null|lab");
    assertThat(call("pg_background_result_info_v2(%s)", handle))
        .containsExactly("null|null|f|f|null|null");
    assertThat(call("pg_background_error_info_v2(%s)", handle))
        .containsExactly("null" + "|null".repeat(8));
    assertThat(call("pg_background_get_progress_v2(%s)", handle)).containsExactly("null|null");
    assertThat(call("pg_background_full_sql_v2(%s)", handle)).containsExactly("select 1 as a");
    assertThat(call("pg_background_wait_v2_timeout(%s, 1)", handle)).containsExactly("f");
    try (var task = worker.begin(request)) {
      assertThat(ann.rows(shown)).containsExactly("running|f|f|f|null|null|null|null|lab");
      assertThat(
              ann.rows(
                  "select pgbg_state, label, backend_state, query_start is not null from pg_background_activity where cookie = "
                      + request.id()))
          .containsExactly("running|lab|idle in transaction|t");
      task.complete(task.execute("select 1 as a"));
    }
    assertThat(ann.rows(shown)).containsExactly("stopped|f|t|f|1|SELECT 1|null|null|lab");
    ann.rows("select * from pg_background_result_v2(" + handle + ") as (a int)");
    assertThat(ann.rows(shown)).containsExactly("stopped|t|t|f|1|SELECT 1|null|null|lab");
    assertThat(call("pg_background_wait_v2_timeout(%s, 1)", handle)).containsExactly("t");
    ann.run("select pg_background_detach_v2(" + handle + ")");
    assertThat(ann.rows("select * from pg_background_list where label = 'lab'")).isEmpty();
    assertThat(ann.refused("select pg_background_detach_v2(" + handle + ")").state())
        .isEqualTo("42704");
    var failed = ran("select 1/0");
    assertThat(
            ann.value(
                "select pg_background_status_v2(%s) - 'launched_at' - 'pid' - 'cookie' - 'label'"
                    .formatted(failed)))
        .isEqualTo(
            "{\"state\": \"stopped\", \"consumed\": false, \"sqlstate\": \"22012\", \"completed\": true, \"has_error\": true, \"row_count\": null, \"command_tag\": null, \"error_message\": \"division by zero\"}");
  }

  @Test
  void listsWithNineColumnsAndWithTen() {
    var handle = launched("pg_background_launch_v2", "select " + "x".repeat(200), "'ten'");
    worker
        .session()
        .run(
            "select pgoffload.record_sql_requests(?)",
            (Object) new String[] {database.onlySent().text()});
    var nine =
        "pid int4, cookie int8, launched_at timestamptz, user_id oid, queue_size int4, state text, sql_preview text, last_error text, consumed bool";
    var columns =
        "pid || ', ' || cookie, user_id = 'ann'::regrole, queue_size, state, length(sql_preview), last_error, consumed";
    var expected = handle + "|t|65536|starting|120|null|f";
    assertThat(
            ann.rows(
                "select %s from pg_background_list_v2() as (%s) order by cookie desc limit 1"
                    .formatted(columns, nine)))
        .containsExactly(expected);
    assertThat(
            ann.rows(
                "select %s, label from pg_background_list_v2() as (%s, label text) order by cookie desc limit 1"
                    .formatted(columns, nine)))
        .containsExactly(expected + "|ten");
    assertThat(
            ann.rows(
                "select %s, label from pg_background_list order by cookie desc limit 1"
                    .formatted(columns)))
        .containsExactly(expected + "|ten");
    try (var chief = database.open("chief");
        var bea = database.open("bea")) {
      assertThat(chief.rows("select label from pg_background_list where label = 'ten'")).hasSize(1);
      assertThat(bea.rows("select * from pg_background_list")).isEmpty();
      assertThat(bea.rows("select * from pg_background_activity")).isEmpty();
      assertThat(bea.rows("select * from sql_queue")).isEmpty();
    }
    assertThat(ann.refused("select * from pg_background_list_v2() as (a int)").state())
        .isEqualTo("42804");
  }

  @Test
  void countsWhatThisSessionHasLaunched() {
    assertThat(ann.rows("select * from pg_background_stats_v2()"))
        .containsExactly("0|0|0|0|0|0|0|16");
    ran("select 1");
    ran("select 1/0");
    launched("x");
    var cancelled = database.onlySent();
    worker.recordCancellation(cancelled.id(), "ann");
    worker.run(cancelled);
    launched("x");
    worker.begin(database.onlySent()).close();
    ann.run("set pg_background.max_workers = 4");
    assertThat(
            ann.rows(
                "select workers_launched, workers_completed, workers_failed, workers_canceled, workers_active, avg_execution_ms > 0, max_workers from pg_background_stats_v2()"))
        .containsExactly("4|1|1|1|1|t|4");
  }

  @Test
  void sendsSignedCancellations() {
    var first = launched("pg_background_launch_v2", "x", "'batch 1'");
    var second = launched("pg_background_launch_v2", "x", "'batch 2'");
    var third = launched("pg_background_launch_v2", "x", "'other'");
    var requests = database.sent();
    for (var request : requests) {
      worker
          .session()
          .run("select pgoffload.record_sql_requests(?)", (Object) new String[] {request.text()});
    }
    ann.run("begin");
    ann.run("select pg_background_cancel_v2(" + first + ")");
    ann.run("rollback");
    var command = database.onlySent();
    assertThat(command.transactional()).isFalse();
    assertThat(command.envelope().kind()).isEqualTo("cancel");
    assertThat(command.id()).isEqualTo(requests.getFirst().id());
    assertThat(command.envelope().requestedBy().user()).isEqualTo("ann");
    ann.run("select pg_background_cancel_v2_grace(" + second + ", 1)");
    assertThat(database.onlySent().id()).isEqualTo(requests.get(1).id());
    assertThat(ann.value("select pg_background_cancel_by_label_v2('batch%')")).isEqualTo("2");
    assertThat(database.sent()).hasSize(2);
    assertThat(ann.value("select pg_background_cancel_by_label_v2('nothing')")).isEqualTo("0");
    assertThat(ann.value("select pg_background_cancel_all_v2()")).isEqualTo("3");
    assertThat(database.sent()).hasSize(3);
    worker.run(requests.get(2));
    assertThat(ann.value("select pg_background_cancel_all_v2()")).isEqualTo("2");
    assertThat(database.sent()).hasSize(2);
    assertThat(ann.value("select pg_background_detach_all_v2()")).isEqualTo("3");
    assertThat(ann.value("select pg_background_cancel_all_v2()")).isEqualTo("0");
    assertThat(ann.refused("select pg_background_cancel_v2(" + third + ")").state())
        .isEqualTo("42704");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void purgesWhatHasEnded() {
    var ended = ran("select 1 as a");
    var open = launched("x");
    assertThat(ann.value("select pg_background_purge_v2()")).isEqualTo("1");
    assertThat(ann.value("select pg_background_purge_v2()")).isEqualTo("0");
    assertThat(
            ann.refused("select * from pg_background_result_v2(" + ended + ") as (a int)").state())
        .isEqualTo("42704");
    assertThat(call("pg_background_wait_v2_timeout(%s, 1)", open)).containsExactly("f");
  }

  @Test
  void drainsInTheOrderGiven() {
    var first = launched("select 1 as a");
    var second = launched("select 1/0");
    var open = launched("x");
    var sent = database.sent();
    worker.run(sent.get(1));
    worker.run(sent.get(0));
    assertThat(
            ann.rows(
                "select pid, completed, has_error, command_tag, sqlstate from pg_background_drain_v2(array[row(%s), null, row(%s), row(999999, 999999), row(%s)]::pg_background_handle[], 100)"
                    .formatted(second, first, open)))
        .containsExactly(
            sent.get(1).id() + "|t|t|null|22012",
            sent.get(0).id() + "|t|f|SELECT 1|null",
            "999999|null|null|null|null",
            sent.get(2).id() + "|f|f|null|null");
    assertThat(
            ann.refused("select * from pg_background_result_v2(" + first + ") as (a int)").state())
        .isEqualTo("42704");
    assertThat(ann.rows("select * from pg_background_drain_v2(null)")).isEmpty();
    assertThat(ann.rows("select * from pg_background_drain_v2('{}')")).isEmpty();
  }

  @Test
  void waitsForAny() {
    var first = launched("x");
    var second = launched("select 1 as a");
    var sent = database.sent();
    var handles =
        "array[row(999999, 999999), row(%s), null, row(%s)]::pg_background_handle[]"
            .formatted(first, second);
    assertThat(ann.rows("select * from pg_background_wait_any_v2(" + handles + ", 50)").getFirst())
        .isEqualTo("null|null");
    var wait = "select * from pg_background_wait_any_v2(" + handles + ")";
    var waited = database.beginWaiting(ann, "PgSleep", () -> ann.rows(wait));
    worker.run(sent.get(1));
    assertThat(waited.join()).containsExactly(sent.get(1).id() + "|" + sent.get(1).id());
    assertThat(ann.rows("select * from pg_background_wait_any_v2('{}')").getFirst())
        .isEqualTo("null|null");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "select 1 as a | t,f,f,1,SELECT 1,null,null",
        "select 1/0 | t,f,t,null,null,22012,division by zero"
      })
  void runsATaskToItsEnd(String command, String expected) {
    var done =
        CompletableFuture.supplyAsync(() ->
            ann.rows(
                "select completed, timed_out, has_error, row_count, command_tag, sqlstate, error_message, elapsed_ms >= 0, pid from pg_background_run_v2($$"
                    + command
                    + "$$)"));
    var request = database.awaitSent();
    worker.run(request);
    assertThat(done.join()).containsExactly(expected.replace(',', '|') + "|t|" + request.id());
    assertThat(ann.value("select current_setting('pgoffload.attached')")).isEmpty();
  }

  @Test
  void cancelsWhatItRunsWhenTheTimeIsUp() {
    var done =
        CompletableFuture.supplyAsync(() ->
            ann.rows(
                "select completed, timed_out, has_error, sqlstate from pg_background_run_v2('x', 0, 50, 'l')"));
    // on a busy machine both come at once
    var sent = database.awaitSent(2);
    var request = sent.getFirst();
    assertThat(request.envelope().payload().path("label").asText()).isEqualTo("l");
    assertThat(sent.getLast().envelope().kind()).isEqualTo("cancel");
    worker.recordCancellation(request.id(), "ann");
    worker.run(request);
    assertThat(done.join()).containsExactly("t|t|t|57014");
    assertThat(ann.rows("select * from pg_background_run_v2(null)").getFirst()).contains("null");
  }

  @Test
  void refusesProgressOutsideATask() {
    var error = ann.refused("select pg_background_progress(1, 'x')");
    assertThat(error.state()).isEqualTo("0A000");
    assertThat(error.message())
        .isEqualTo("pg_background_progress can only be called from a background worker");
    assertThat(database.sent()).isEmpty();
  }
}
