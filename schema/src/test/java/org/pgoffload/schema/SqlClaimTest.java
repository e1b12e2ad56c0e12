package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A request of background SQL is executed once, whoever dies, cancels or is late.
final class SqlClaimTest extends OnPostgresVersions {
  private static final String SUCCESS =
      "{\"status\": \"succeeded\", \"tags\": [\"SELECT 1\"], \"worker\": \"%s\"}";

  private Session ann;
  private PlayedSqlWorker first;
  private PlayedSqlWorker second;

  @BeforeEach
  void logIn() {
    ann = closedAfterTheTest(database.open("ann"));
    first = closedAfterTheTest(database.sqlWorker("first"));
    second = closedAfterTheTest(database.sqlWorker("second"));
  }

  private SentRequest launched() {
    ann.run("select pg_background_launch('select 1')");
    return database.onlySent();
  }

  /// Begins a call of a worker, which waits for another's transaction.
  private <T> CompletableFuture<T> beginWaiting(PlayedSqlWorker worker, Supplier<T> call) {
    return database.beginWaiting(worker.session(), "transactionid", call);
  }

  private String status(SentRequest request) {
    return String.valueOf(ann.value("select sql_status(?)", request.id()));
  }

  @Test
  void recordsAnImmediateRequestWithItsClaimOrBeforeIt() {
    ann.run("select pg_background_launch_v2('select 1', 128, 'l')");
    var request = database.onlySent();
    // its session knows it before it is recorded, others do not
    assertThat(status(request)).isEqualTo("queued");
    assertThat(first.claim(request.id(), null).path("outcome").asText()).isEqualTo("missing");
    for (int i = 0; i < 2; i++) {
      first
          .session()
          .run(
              "select pgoffload.record_sql_requests(?)",
              (Object) new String[] {request.text(), null});
    }
    assertThat(status(request)).isEqualTo("queued");
    assertThat(first.claim(request.id(), null).path("outcome").asText()).isEqualTo("claimed");
    // until it has a session
    assertThat(status(request)).isEqualTo("queued");
    assertThat(
            ann.rows(
                """
                select command, label, queue_size, requested_by, requested_by_oid = login_oid, timeout, ordering_key,
                       submitted, immediate, parent, session = pgoffload.session_key()
                from sql_request where id = ?
                """,
                request.id()))
        .containsExactly("select 1|l|128|ann|t|null|null|f|t|null|t");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void givesARequestToOneLiveWorker() {
    var request = launched();
    var claim = first.claim(request);
    assertThat(claim.path("outcome").asText()).isEqualTo("claimed");
    assertThat(claim.path("login").asText()).isEqualTo("ann");
    assertThat(claim.path("role").isNull()).isTrue();
    var again = first.claim(request);
    assertThat(again.path("outcome").asText()).isEqualTo("own");
    assertThat(again.path("token")).isEqualTo(claim.path("token"));
    var other = second.claim(request);
    assertThat(other.path("outcome").asText()).isEqualTo("held");
    assertThat(other.path("token").isNull()).isTrue();
    assertThat(other.path("login").isNull()).isTrue();
    first.run(launched());
    assertThat(second.claim(request).path("outcome").asText()).isEqualTo("held");
  }

  @Test
  void saysThatItIsAnsweredAndRepeatsTheMessage() {
    var request = launched();
    first.run(request);
    assertThat(second.claim(request).path("outcome").asText()).isEqualTo("answered");
    var message =
        PlayedSqlWorker.json(
            String.valueOf(
                second.session().value("select pgoffload.sql_result_message(?)", request.id())));
    assertThat(
            org.pgoffload.protocol.SqlResult.read(
                    message.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8))
                .returned()
                .rows())
        .containsExactly(List.of("1"));
    assertThat(message.path("requested_by").asText()).isEqualTo("ann");
    assertThat(second.session().value("select pgoffload.sql_result_message(0)")).isNull();
  }

  @Test
  void refusesAClaimWithoutALease() {
    var request = launched();
    first.releaseLease();
    assertThat(
            first
                .session()
                .refused("select * from pgoffload.claim_sql('first', ?, '{}', '{}')", first.epoch())
                .state())
        .isEqualTo("PO001");
    assertThat(second.claim(request).path("outcome").asText()).isEqualTo("claimed");
  }

  @Test
  void givesADeadWorkersRequestToTheNextWithTheSessionsToEnd() {
    var request = launched();
    try (var task = first.begin(request)) {
      first.releaseLease();
      var claim = second.claim(request);
      assertThat(claim.path("outcome").asText()).isEqualTo("claimed");
      assertThat(claim.path("attempt").asInt()).isEqualTo(2);
      assertThat(claim.path("ending").isNull()).isTrue();
      assertThat(claim.path("sessions")).hasSize(1);
      assertThat(claim.path("sessions").path(0).path("pid").asLong()).isEqualTo(task.pid());
      try (var login = database.open("ann")) {
        assertThat(
                login.value(
                    "select pg_terminate_backend(pid) from pg_stat_activity where pid = ? and backend_start = ?::timestamptz",
                    task.pid(),
                    claim.path("sessions").path(0).path("started").asText()))
            .isEqualTo("t");
      }
    }
  }

  @Test
  void fencesTheSessionsOfAnEarlierRegistrationOfAName() {
    var request = launched();
    try (var task = first.begin(request)) {
      var again = closedAfterTheTest(database.sqlWorker("first"));
      assertThat(again.claim(request).path("outcome").asText()).isEqualTo("held");
      first.releaseLease();
      assertThat(again.claim(request).path("attempt").asInt()).isEqualTo(2);
      assertThat(first.markAutocommit(request.id(), 1)).isFalse();
      assertThat(first.end(request.id(), 1, SUCCESS.formatted("first"))).isFalse();
      try (var next = PlayedTask.begin(database, request, again.claim(request))) {
        next.complete(SUCCESS.formatted("again"));
      }
      assertThat(
              task.session()
                  .refused(
                      "select pgoffload.complete_sql(?, 1, ?::uuid, ?, null)",
                      request.id(),
                      task.token(),
                      SUCCESS.formatted("first"))
                  .state())
          .isEqualTo("PO002");
      try (var late = PlayedTask.login(database, request, json(task))) {
        assertThat(late.refusedToEnter()).isEqualTo("PO002");
      }
    }
  }

  /// The claim under which a task has begun.
  private static JsonNode json(PlayedTask task) {
    return PlayedSqlWorker.json(
        "{\"attempt\": %d, \"token\": \"%s\"}".formatted(task.attempt(), task.token()));
  }

  /// Its worker stands still, or is cut off: its session goes on in the database.
  @Test
  void leavesATaskWhoseSessionLivesToAWorkerThatMayComeBack() {
    var request = launched();
    setting("worker_dead_after", "4 s");
    try (var task = first.begin(request)) {
      database.letLeasesExpire("first");
      setting("task_dead_after", "2 hours");
      assertThat(claimAlive(request)).isEqualTo("held");
      // it comes back, and nothing was repeated
      assertThat(first.renewLease()).isTrue();
      task.complete(SUCCESS.formatted("first"));
    }
    assertThat(claimAlive(request)).isEqualTo("answered");
    var killed = launched();
    first.begin(killed).close();
    database.letLeasesExpire("first");
    // its sessions have ended with it
    Awaitility.await().until(() -> claimAlive(killed).equals("claimed"));
    setting("task_dead_after", "30 s");
  }

  @Test
  void takesATaskWhoseSessionLivesFromAWorkerThatDoesNotComeBack() {
    setting("worker_dead_after", "4 s");
    var waiting = launched();
    first.claim(waiting);
    var request = launched();
    try (var _ = first.begin(request)) {
      database.letLeasesExpire("first");
      assertThat(claimAlive(request)).isEqualTo("claimed");
      // and at once what it had not begun
      setting("task_dead_after", "2 hours");
      assertThat(claimAlive(waiting)).isEqualTo("claimed");
    }
    setting("task_dead_after", "30 s");
  }

  private String claimAlive(SentRequest request) {
    assertThat(second.renewLease()).isTrue();
    return second.claim(request).path("outcome").asText();
  }

  private void setting(String name, String value) {
    database.admin().run("update pgoffload.setting set value = ? where name = ?", value, name);
  }

  @Test
  void letsTheFirstOfTwoAttemptsWin() {
    var request = launched();
    try (var late = first.begin(request)) {
      late.session().run("select 1");
      first.releaseLease();
      try (var next = second.begin(request)) {
        next.complete(SUCCESS.formatted("second"));
      }
      var error =
          late.session()
              .refused(
                  "select pgoffload.complete_sql(?, 1, ?::uuid, ?, pgoffload.leave_task())",
                  request.id(),
                  late.token(),
                  SUCCESS.formatted("first"));
      assertThat(error.state()).isEqualTo("PO002");
    }
    assertThat(first.end(request.id(), 1, SUCCESS.formatted("first"))).isFalse();
    assertThat(second.end(request.id(), 2, SUCCESS.formatted("x"))).isFalse();
    assertThat(
            database
                .admin()
                .rows(
                    "select worker, attempt from pgoffload.sql_result where id = ?", request.id()))
        .containsExactly("second|2");
  }

  @Test
  void letsACommittingTaskWinOverACancellationThatComesAtTheSameMoment() {
    var request = launched();
    try (var task = first.begin(request)) {
      task.session().run("set constraints all immediate; set role none");
      task.session()
          .run(
              "select pgoffload.complete_sql(?, 1, ?::uuid, ?, null)",
              request.id(),
              task.token(),
              SUCCESS.formatted("first"));
      var cancelled =
          beginWaiting(
              first,
              () ->
                  first.end(
                      request.id(),
                      1,
                      "{\"status\": \"cancelled\", \"error\": {\"sqlstate\": \"57014\", \"message\": \"m\"}}"));
      task.session().run("commit");
      assertThat(cancelled.join()).isFalse();
    }
    assertThat(status(request)).isEqualTo("succeeded");
  }

  @Test
  void undoesTheResultWithTheTask() {
    var request = launched();
    try (var task = first.begin(request)) {
      task.session()
          .run(
              "select pgoffload.complete_sql(?, 1, ?::uuid, ?, null)",
              request.id(),
              task.token(),
              SUCCESS.formatted("first"));
      task.session().run("rollback");
    }
    assertThat(status(request)).isEqualTo("running");
    assertThat(
            first.end(
                request.id(),
                1,
                "{\"status\": \"failed\", \"error\": {\"sqlstate\": \"40001\", \"message\": \"m\"}}"))
        .isTrue();
    assertThat(status(request)).isEqualTo("failed");
  }

  @Test
  void takesAResultOnlyWithTheTokenOfItsClaim() {
    var request = launched();
    first.claim(request);
    var error =
        ann.refused(
            "select pgoffload.complete_sql(?, 1, gen_random_uuid(), ?, null)",
            request.id(),
            SUCCESS.formatted("forged"));
    assertThat(error.state()).isEqualTo("42501");
    assertThat(error.message()).isEqualTo("this is not the claim of request " + request.id());
  }

  @Test
  void takesWhatIdentifiesAResultFromTheClaim() {
    var request = launched();
    first.claim(request);
    assertThat(
            first.end(
                request.id(),
                1,
                "{\"id\": 1, \"attempt\": 7, \"requested_by_oid\": 10, \"status\": \"failed\", \"tags\": [], \"queued_ms\": -5, \"finished_at\": \"1999-01-01T00:00:00Z\", \"error\": {\"sqlstate\": \"22012\", \"message\": \"division by zero\"}}"))
        .isTrue();
    assertThat(
            ann.rows(
                "select id = ?, attempt, requested_by_oid = 'ann'::regrole, queued_ms >= 0, finished_at > now() - interval '1 day' from pgoffload.sql_result where id = ?",
                request.id(),
                request.id()))
        .containsExactly("t|1|t|t|t");
  }

  @Test
  void saysThatTheOutcomeOfADeadWorkersAutocommitCommandIsUnknown() {
    var request = launched();
    try (var task = first.begin(request)) {
      task.session().run("rollback");
      assertThat(first.markAutocommit(request.id(), 1)).isTrue();
      assertThat(first.markAutocommit(request.id(), 1)).isTrue();
      first.releaseLease();
      var claim = second.claim(request);
      assertThat(claim.path("attempt").asInt()).isEqualTo(2);
      assertThat(claim.path("sessions")).hasSize(1);
      assertThat(claim.path("ending").path("status").asText()).isEqualTo("failed");
      var error = claim.path("ending").path("error");
      assertThat(error.path("sqlstate").asText()).isEqualTo("08006");
      assertThat(error.path("message").asText())
          .isEqualTo("lost connection to worker process with PID " + request.id());
      assertThat(error.path("detail").asText()).contains("outcome is unknown");
    }
  }

  @Test
  void marksNoAutocommitOnceTakenOver() {
    var request = launched();
    first.begin(request).close();
    first.releaseLease();
    second.claim(request);
    assertThat(first.markAutocommit(request.id(), 1)).isFalse();
    assertThat(second.markAutocommit(request.id(), 3)).isFalse();
    assertThat(first.end(request.id(), 1, SUCCESS.formatted("first"))).isFalse();
    assertThat(second.claimAgain(request.id(), 1).isNull()).isTrue();
  }

  @Test
  void letsATakeoverSeeAMarkThatIsBeingMade() {
    var request = launched();
    first.begin(request).close();
    first.session().run("begin");
    assertThat(first.markAutocommit(request.id(), 1)).isTrue();
    database.admin().run("update pgoffload.worker set released_at = now() where name = 'first'");
    var claim = beginWaiting(second, () -> second.claim(request));
    first.session().run("commit");
    assertThat(claim.join().path("ending").path("error").path("sqlstate").asText())
        .isEqualTo("08006");
  }

  @Test
  void letsAMarkSeeATakeoverThatIsBeingMade() {
    var request = launched();
    first.begin(request).close();
    first.releaseLease();
    second.session().run("begin");
    assertThat(second.claim(request).path("attempt").asInt()).isEqualTo(2);
    var mark = beginWaiting(first, () -> first.markAutocommit(request.id(), 1));
    second.session().run("commit");
    assertThat(mark.join()).isFalse();
  }

  @Test
  void letsOneOfTwoTakeoversWin() {
    var request = launched();
    first.claim(request);
    first.releaseLease();
    try (var third = database.sqlWorker("third")) {
      second.session().run("begin");
      assertThat(second.claim(request).path("outcome").asText()).isEqualTo("claimed");
      // it looks again later
      assertThat(third.claim(request).path("outcome").asText()).isEqualTo("held");
      second.session().run("commit");
      assertThat(third.claim(request).path("outcome").asText()).isEqualTo("held");
    }
  }

  @Test
  void givesALostSessionsWorkerANewAttempt() {
    var request = launched();
    first.begin(request).close();
    var again = first.claimAgain(request.id(), 1);
    assertThat(again.path("attempt").asInt()).isEqualTo(2);
    assertThat(first.claimAgain(request.id(), 1).isNull()).isTrue();
    assertThat(second.claimAgain(request.id(), 2).isNull()).isTrue();
    assertThat(first.end(request.id(), 1, SUCCESS.formatted("first"))).isFalse();
    assertThat(first.end(request.id(), 2, SUCCESS.formatted("first"))).isTrue();
    assertThat(first.claimAgain(request.id(), 2).isNull()).isTrue();
  }

  @Test
  void obeysACancellationThatCameBeforeTheRequest() {
    var request = launched();
    // not recorded yet
    assertThat(first.recordCancellation(request.id(), "ann")).isFalse();
    assertThat(first.recordCancellation(request.id(), "ann")).isFalse();
    first.run(request);
    assertThat(status(request)).isEqualTo("cancelled");
    assertThat(ann.rows("select sqlstate, error from sql_result(?)", request.id()))
        .containsExactly("57014|canceling statement due to user request");
    assertThat(first.recordCancellation(request.id(), "ann")).isFalse();
  }

  @Test
  void obeysACancellationOfWhoMayOnly() {
    var request = launched();
    assertThat(first.recordCancellation(request.id(), "bea")).isFalse();
    first
        .session()
        .run("select pgoffload.record_sql_requests(?)", (Object) new String[] {request.text()});
    assertThat(first.recordCancellation(request.id(), "bea")).isFalse();
    assertThat(first.claim(request).path("ending").isNull()).isTrue();
    assertThat(first.recordCancellation(request.id(), "chief")).isTrue();
    assertThat(first.recordCancellation(request.id(), "ann")).isTrue();
    // no partition holds it
    assertThat(first.recordCancellation(Long.MAX_VALUE, "ann")).isFalse();
    assertThat(first.recordCancellation(-1, "ann")).isFalse();
  }

  @Test
  void expiresWhatWasQueuedTooLong() {
    ann.run("set pg_background.worker_timeout = '1ms'");
    var request = launched();
    first.run(request);
    assertThat(status(request)).isEqualTo("expired");
    assertThat(ann.refused("select * from sql_rows(" + request.id() + ") as (a int)").message())
        .isEqualTo("canceling statement due to the timeout of the request");
  }

  @Test
  void saysWhatATaskWaitsForUntilItBegins() {
    var request = launched();
    var claim = first.claim(request);
    var waits = "waits for a connection: too many connections for role \"ann\"";
    first.session().run("select pgoffload.record_wait(?, 1, ?)", request.id(), waits);
    var queue = "select status, progress_pct, progress_msg from sql_queue where id = ?";
    var progress =
        "select progress_pct, progress_msg from pg_background_get_progress_v2(%1$d, %1$d)"
            .formatted(request.id());
    assertThat(status(request)).isEqualTo("queued");
    assertThat(ann.rows(queue, request.id())).containsExactly("queued|0|" + waits);
    assertThat(ann.rows(progress)).containsExactly("0|" + waits);
    assertThat(ann.value("select state from pg_background_list where cookie = ?", request.id()))
        .isEqualTo("starting");
    try (var task = PlayedTask.login(database, request, claim)) {
      task.enter();
      assertThat(status(request)).isEqualTo("running");
      assertThat(ann.rows(queue, request.id())).containsExactly("running|null|null");
      assertThat(ann.rows(progress)).containsExactly("null|null");
      first.session().run("select pgoffload.record_progress(?, 1, 10, 'begun')", request.id());
      assertThat(ann.rows(progress)).containsExactly("10|begun");
    }
  }

  @Test
  void recordsTheProgressOfATask() {
    var request = launched();
    try (var task = first.begin(request)) {
      task.session().run("select pg_background_progress(10, 'begun'), pg_background_progress(20)");
      var told = database.sent();
      assertThat(told)
          .extracting(r -> r.envelope().payload().path("pct").asInt())
          .containsExactly(10, 20);
      assertThat(told.getFirst().envelope().payload().path("pid").asLong()).isEqualTo(task.pid());
      assertThat(told.getFirst().envelope().payload().path("message").asText()).isEqualTo("begun");
      assertThat(task.session().refused("select pg_background_progress(101)").state())
          .isEqualTo("22023");
      first.session().run("select pgoffload.record_progress(?, 1, 10, 'begun')", request.id());
      first.session().run("select pgoffload.record_progress(?, 1, 20, null)", request.id());
      assertThat(
              ann.rows(
                  "select * from pg_background_get_progress_v2(%1$d, %1$d)"
                      .formatted(request.id())))
          .containsExactly("20|null");
      assertThat(ann.rows("select progress_pct from sql_queue where id = ?", request.id()))
          .containsExactly("20");
    }
  }

  @Test
  void givesWhatATaskLaunchesTheSameIdsWhenItIsExecutedAgain() {
    var request = launched();
    var ids = new java.util.ArrayList<List<Long>>();
    for (var worker : List.of(first, second)) {
      try (var task = worker.begin(request)) {
        task.session()
            .run("select pg_background_launch('a'); savepoint s; select pg_background_launch('b')");
        task.session().run("rollback to s; select pg_background_launch('c')");
        task.session().run("select pg_background_submit_v2('d')");
        task.session().run("insert into sql_request (command) values ('e')");
      }
      var sent = database.sent();
      ids.add(sent.stream().map(SentRequest::id).toList());
      assertThat(sent).hasSize(4);
      assertThat(sent)
          .allSatisfy(child -> {
            assertThat(child.envelope().payload().path("parent").asLong()).isEqualTo(request.id());
            assertThat(child.envelope().payload().path("depth").asInt()).isOne();
          })
          .extracting(child -> child.envelope().payload().path("parent_ordinal").asInt())
          .containsExactly(1, 2, 3, 4);
      sent.forEach(child ->
          worker
              .session()
              .run(
                  "select pgoffload.record_sql_requests(?)", (Object) new String[] {child.text()}));
      if (worker == first) {
        first.releaseLease();
      }
    }
    assertThat(ids.getFirst()).doesNotHaveDuplicates().isEqualTo(ids.getLast());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "reset all",
        "select set_config('pgoffload.task', '', false)",
        "select set_config('pgoffload.task', '1/1', false)"
      })
  void knowsATaskThatForgetsWhatItIs(String forget) {
    var request = launched();
    for (int depth = 1; depth <= 8; depth++) {
      try (var task = first.begin(request)) {
        task.session().run(forget);
        task.session().run("select public.pg_background_progress(1)");
        database.sent();
        task.session().run("select public.pg_background_launch('x')");
        var child = database.onlySent();
        assertThat(child.envelope().payload().path("depth").asInt()).isEqualTo(depth);
        assertThat(child.envelope().payload().path("parent").asLong()).isEqualTo(request.id());
        request = child;
      }
    }
    try (var task = first.begin(request)) {
      task.session().run(forget);
      assertThat(task.session().refused("select pg_background_launch('x')").state())
          .isEqualTo("54000");
      task.session().run("rollback; begin");
      assertThat(task.session().refused("insert into sql_request (command) values ('x')").state())
          .isEqualTo("54000");
    }
  }

  @Test
  void aSessionThatHasEndedItsTaskLaunchesAsItself() {
    var request = launched();
    try (var task = first.begin(request)) {
      task.complete(task.execute("select 1"));
      task.session().run("reset all");
      task.session().run("select pg_background_launch('x')");
      assertThat(database.onlySent().envelope().payload().path("depth").asInt()).isZero();
    }
  }

  @Test
  void nestsTasksNoDeeperThanEightLevels() {
    var request = launched();
    for (int depth = 1; depth <= 8; depth++) {
      try (var task = first.begin(request)) {
        // a forged setting makes it no shallower
        task.session()
            .run(
                "select set_config('pgoffload.task', '"
                    + request.id()
                    + "/1/0', false) where false");
        task.session().run("select pg_background_launch('x')");
        request = database.onlySent();
        assertThat(request.envelope().payload().path("depth").asInt()).isEqualTo(depth);
      }
    }
    try (var task = first.begin(request)) {
      var error = task.session().refused("select pg_background_launch('x')");
      assertThat(error.state()).isEqualTo("54000");
      task.session().run("rollback; begin");
      assertThat(task.session().refused("insert into sql_request (command) values ('x')").state())
          .isEqualTo("54000");
    }
  }
}
