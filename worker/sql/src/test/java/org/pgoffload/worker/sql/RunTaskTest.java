package org.pgoffload.worker.sql;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.SqlError;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.worker.delivery.Claim;
import org.pgoffload.worker.delivery.RequestEnd;
import org.pgoffload.worker.sql.sessions.SqlClaim;
import org.pgoffload.worker.sql.sessions.SqlTask;

/// Tasks with the database's own functions, from their claim to their result.
final class RunTaskTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @AutoClose private static final TestDatabase database = new TestDatabase();

  @AutoClose private final TestWorker worker = new TestWorker(database);

  private SqlResult run(String command) throws Exception {
    return run(database.launch("alice", "", command));
  }

  private SqlResult run(SqlTask task) throws Exception {
    assertThat(worker.runClaimed(task, worker.claim(task))).isEqualTo(RequestEnd.FINISHED);
    return worker.result(task.id());
  }

  private static SqlError error(SqlResult result) {
    return requireNonNull(result.error());
  }

  private List<@Nullable String> firstRow(String command) throws Exception {
    return requireNonNull(run(command).returned().rows()).getFirst();
  }

  private String recorded(long id, String column) throws SQLException {
    return database.query("select " + column + " from pgoffload.sql_result where id = " + id);
  }

  private static List<@Nullable String> row(@Nullable String... values) {
    return Arrays.asList(values);
  }

  private void awaitSleeping() {
    await()
        .atMost(PATIENCE)
        .until(() ->
            database
                .query(
                    "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and state = 'active'")
                .equals("1"));
  }

  private void awaitLocked() {
    await()
        .atMost(PATIENCE)
        .until(() ->
            database
                .query("select count(*) from pg_locks where locktype = 'advisory' and not granted")
                .equals("1"));
  }

  @Test
  void aTaskRunsAsItsLauncherAndItsResultIsRecordedWithIt() throws Exception {
    var result =
        run(
            "create table work (i int); insert into work values (1), (2);"
                + " select current_user, session_user, count(*)::int as n from work");
    assertThat(result.returned().rows()).containsExactly(row("alice", "alice", "2"));
    assertThat(result.tags()).containsExactly("CREATE TABLE", "INSERT 0 2", "SELECT 1");
    assertThat(result.returned().rowCount()).isEqualTo(1);
    assertThat(requireNonNull(result.returned().columns()).getLast().name()).isEqualTo("n");
    assertThat(requireNonNull(result.returned().columns()).getLast().type()).isEqualTo("integer");
    assertThat(result.returned().readUnder()).isEqualTo(Map.of("IntervalStyle", "postgres"));
    assertThat(recorded(result.id(), "status")).isEqualTo("succeeded");
    assertThat(recorded(result.id(), "rows")).isEqualTo("[[\"alice\", \"alice\", \"2\"]]");
    assertThat(recorded(result.id(), "worker")).isEqualTo("w");
  }

  @Test
  void aReaderWithAnotherPathReadsTheSameObjects() throws Exception {
    database.execute(
        """
        create schema own; create schema first; grant usage on schema own, first to alice;
        create table own.thing (); create table first.thing ();
        create type own.pair as (label text, thing regclass)
        """);
    var result =
        run(
            database.launch(
                "alice",
                "set search_path = own, public",
                "select 'thing'::regclass as a, array['thing']::regclass[] as b, row('x', 'thing')::pair as c"));
    assertThat(result.returned().rows())
        .containsExactly(row("own.thing", "{own.thing}", "(x,own.thing)"));
    try (var reader = database.as("alice");
        var statement = reader.createStatement()) {
      statement.execute("set search_path = first, public");
      try (var row =
          statement.executeQuery(
              "select a = 'own.thing'::regclass, b = array['own.thing'::regclass], (c).thing = 'own.thing'::regclass from sql_rows("
                  + result.id()
                  + ") as (a regclass, b regclass[], c own.pair)")) {
        row.next();
        assertThat(row.getBoolean(1) && row.getBoolean(2) && row.getBoolean(3)).isTrue();
      }
    }
    database.execute("drop schema own, first cascade");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "-- nothing", "/* a */ ;;"})
  void nothingToRunSucceedsWithoutRows(String command) throws Exception {
    var result = run(command);
    assertThat(result.status()).isEqualTo("succeeded");
    assertThat(result.tags()).isEmpty();
    assertThat(result.returned().columns()).isNull();
  }

  @Test
  void settingsLabelAndRoleComeAlong() throws Exception {
    var task =
        database.launch(
            "alice",
            "set role team; set work_mem = '7MB'; set DateStyle = 'ISO, DMY'; set search_path = pg_catalog, public",
            "select current_user, session_user, current_setting('work_mem'), current_setting('search_path'),"
                + " current_setting('application_name'), date '01.02.2024'",
            "häls\n",
            65_536);
    var result = run(task);
    assertThat(result.returned().rows())
        .containsExactly(
            row(
                "team",
                "alice",
                "7MB",
                "pg_catalog, public",
                "pg_background:h?ls?:" + task.pid(),
                "2024-02-01"));
  }

  @Test
  void aSchemaThatIsOlderThanTheWorkerIsNamed() throws Exception {
    database.execute("alter function pgoffload.memberships() rename to memberships_of_later");
    try {
      var result = run("select 1");
      assertThat(result.status()).isEqualTo("failed");
      assertThat(error(result).sqlstate()).isEqualTo("42883");
      assertThat(error(result).message()).contains("older than this worker: run pgoffload install");
    } finally {
      database.execute("alter function pgoffload.memberships_of_later() rename to memberships");
    }
  }

  @Test
  void aFailureUndoesEverythingAndNamesItsPlace() throws Exception {
    var command = "create table undone (); select 1/0";
    var result = run(command);
    assertThat(result.status()).isEqualTo("failed");
    assertThat(error(result).sqlstate()).isEqualTo("22012");
    assertThat(result.tags()).containsExactly("CREATE TABLE");
    assertThat(database.query("select to_regclass('undone')")).isEqualTo("null");
    assertThat(recorded(result.id(), "error ->> 'message'")).isEqualTo("division by zero");
  }

  @Test
  void noticesTravel() throws Exception {
    var result = run("do $$ begin raise warning 'careful'; end $$");
    assertThat(result.notices())
        .singleElement()
        .satisfies(notice -> {
          assertThat(notice.severity()).isEqualTo("WARNING");
          assertThat(notice.message()).isEqualTo("careful");
        });
  }

  @Test
  void deferredConstraintsAreCheckedAsTheTask() throws Exception {
    var result =
        run(
            "create table parent (i int primary key);"
                + " create table child (i int references parent deferrable initially deferred);"
                + " insert into child values (1)");
    assertThat(error(result).sqlstate()).isEqualTo("23503");
    assertThat(error(result).position()).isNull();
    assertThat(database.query("select to_regclass('child')")).isEqualTo("null");
  }

  /// One that launches a task there would begin a chain of its own, not nested in anything.
  @Test
  void nothingOfATaskRunsAfterItsResult() throws Exception {
    var result =
        run(
            """
            create sequence ran_at_commit;
            create function left_behind() returns bigint language sql volatile as $$ select nextval('public.ran_at_commit') $$;
            declare kept cursor with hold for select left_behind();
            do 'begin execute ''declare also_kept cursor with hold for select left_behind()''; end'
            """);
    assertThat(result.status()).isEqualTo("succeeded");
    assertThat(database.query("select is_called from ran_at_commit")).isEqualTo("f");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "set role pg_monitor",
        "set search_path = nowhere; set statement_timeout = '1ms'",
        "deallocate all",
        "discard plans",
        "set session characteristics as transaction read only",
        "set default_transaction_isolation = 'serializable'",
        "set transaction isolation level serializable; select 1",
        "set lock_timeout = 1; set idle_in_transaction_session_timeout = 100000"
      })
  void whateverATaskLeavesItsResultIsRecorded(String command) throws Exception {
    database.execute("grant pg_monitor to alice");
    assertThat(run(command).status()).isEqualTo("succeeded");
    assertThat(run("create table next_task (); drop table next_task").status())
        .isEqualTo("succeeded");
  }

  @Test
  void aReadOnlyTransactionThatChangedNothingSucceeds() throws Exception {
    var result = run("set transaction read only; select 1");
    assertThat(result.status()).isEqualTo("succeeded");
    assertThat(result.returned().rows()).containsExactly(row("1"));
    assertThat(result.returned().readUnder()).containsKey("IntervalStyle");
    assertThat(recorded(result.id(), "status")).isEqualTo("succeeded");
  }

  @Test
  void aReadOnlyTransactionThatHasChangedSomethingFails() throws Exception {
    var result = run("create table before_read_only (); set transaction_read_only = on");
    assertThat(error(result).sqlstate()).isEqualTo("25006");
    assertThat(database.query("select to_regclass('before_read_only')")).isEqualTo("null");
  }

  @ParameterizedTest
  @ValueSource(strings = {"begin", "select 1; commit", "copy t from stdin", "listen x"})
  void whatNoTaskMayContainIsRefusedBeforeAnythingRuns(String command) throws Exception {
    var result = run("create table refused (); " + command);
    assertThat(error(result).sqlstate()).isEqualTo("0A000");
    assertThat(result.tags()).isEmpty();
  }

  @Test
  void whatCannotRunInATransactionRunsOnceOutsideOne() throws Exception {
    run("create table vacuumed (i int)");
    var vacuum = run("vacuum (analyze) vacuumed");
    assertThat(vacuum.status()).isEqualTo("succeeded");
    assertThat(vacuum.tags()).containsExactly("VACUUM");
    assertThat(run("create index concurrently on vacuumed (i)").status()).isEqualTo("succeeded");
    run(
        """
        create procedure commits(inout a int) language plpgsql
        as $$ begin insert into vacuumed values (a); commit; insert into vacuumed values (a); a := a + 1; end $$
        """);
    var call = run("call commits(1)");
    assertThat(call.returned().rows()).containsExactly(row("2"));
    assertThat(call.tags()).containsExactly("CALL");
    assertThat(database.query("select count(*) from vacuumed")).isEqualTo("2");
    assertThat(
            database.query(
                "select count(*) from pgoffload.sql_session where autocommit and id = "
                    + call.id()))
        .isEqualTo("1");
    assertThat(error(run("vacuum vacuumed; select 1")).sqlstate()).isEqualTo("25001");
  }

  @Test
  void manyRowsStandInChunksBeforeTheirResult() throws Exception {
    var task = database.launch("alice", "", "select i from generate_series(1, 5000) i", null, 4096);
    var result = run(task);
    assertThat(result.returned().rows()).isNull();
    assertThat(result.returned().rowCount()).isEqualTo(5000);
    assertThat(result.returned().chunks()).isEqualTo(worker.topic.chunks().size()).isGreaterThan(5);
    assertThat(worker.topic.chunks()).allSatisfy(chunk -> assertThat(chunk.attempt()).isEqualTo(1));
  }

  /// Nobody writes back what is on the topic here.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "set transaction read only; ",
        "set transaction isolation level serializable; select 1; ",
        "create table chunked_work (); "
      })
  void manyRowsAreReadAsSoonAsTheirResultIsThere(String before) throws Exception {
    var command = before + "select i, 'row ' || i from generate_series(1, 50000) i";
    var result = run(database.launch("alice", "", command, null, 4096));
    assertThat(result.returned().stored()).isGreaterThan(2);
    assertThat(
            database.query(
                "select count(*), sum(i), count(*) filter (where t = 'row ' || i) from sql_rows("
                    + result.id()
                    + ") as (i int, t text)"))
        .isEqualTo("50000|1250025000|50000");
    assertThat(database.query("select count(*) from pgoffload.sql_chunk where id = " + result.id()))
        .isEqualTo("0");
  }

  @Test
  void aRowLargerThanAChunkIsReadWhole() throws Exception {
    var result =
        run(
            "select i, repeat(E'\\U0001F600\"\\n\\\\', 400000), null from generate_series(1, 2) i union all select 3, '', ''");
    assertThat(result.returned().stored()).isGreaterThan(result.returned().split() ? 10 : 100);
    assertThat(
            database.query(
                "select string_agg(concat_ws(' ', i, length(t), t = repeat(E'\\U0001F600\"\\n\\\\', 400000), n is null), '; ') from sql_rows("
                    + result.id()
                    + ") as (i int, t text, n text)"))
        .isEqualTo("1 1600000 t t; 2 1600000 t t; 3 0 f f");
  }

  @Test
  void rowsOfATaskThatFailsAreNotRead() throws Exception {
    var result =
        run("create table gone (); select 1 / (50000 - i) from generate_series(1, 50000) i");
    assertThat(error(result).sqlstate()).isEqualTo("22012");
    assertThat(
            database.query(
                "select chunks, stored from pgoffload.sql_result where id = " + result.id()))
        .isEqualTo("0|0");
    assertThatThrownBy(
            () -> database.query("select count(*) from sql_rows(" + result.id() + ") as (i int)"))
        .hasStackTraceContaining("division by zero");
  }

  @Test
  void aTaskWhoseRowsTheDatabaseDoesNotTakeFailsAndLeavesNothing() throws Exception {
    database.execute(
        "alter table pgoffload.sql_rows add constraint takes_nothing check (number < 2) not valid");
    try {
      var result =
          run(
              "create table unkept (); select i, repeat('x', 1000) from generate_series(1, 5000) i");
      assertThat(error(result).sqlstate()).isEqualTo("23514");
    } finally {
      database.execute("alter table pgoffload.sql_rows drop constraint takes_nothing");
    }
    assertThat(database.query("select to_regclass('unkept') is null")).isEqualTo("t");
  }

  @Test
  void aRowLargerThanAChunkIsCutAndCanBePutTogether() throws Exception {
    var result = run("select i, repeat(E'\\U0001F600\"\\n', 400000) from generate_series(1, 2) i");
    assertThat(result.returned().split()).isTrue();
    var text = new StringBuilder();
    for (var chunk : worker.topic.chunks()) {
      assertThat(chunk.write().length).isLessThan((1 << 20) + 500);
      text.append(chunk.piece());
      if (Boolean.TRUE.equals(chunk.ends())) {
        text.append('\n');
      }
    }
    var rows = text.toString().split("\n", -1);
    assertThat(rows).hasSize(3);
    var json = new ObjectMapper().readTree(rows[1]);
    assertThat(json.get(0).get(0).asText()).isEqualTo("2");
    assertThat(json.get(0).get(1).asText()).isEqualTo("😀\"\n".repeat(400_000));
  }

  @Test
  void rowsThatNobodyWantsAreDropped() throws Exception {
    var task = database.launch("alice", "", "select generate_series(1, 1000)");
    var unwanted = TestTasks.with(task, new SqlTask.Rows(64, false));
    var result = run(unwanted);
    assertThat(result.returned().columns()).isNull();
    assertThat(result.returned().rowCount()).isEqualTo(1000);
    assertThat(worker.topic.chunks()).isEmpty();
  }

  @Test
  void cancellingEndsATask() throws Exception {
    var task = database.launch("alice", "", "create table cancelled (); select pg_sleep(60)");
    var ended = worker.begin(task);
    awaitSleeping();
    worker.running.cancel(task.id());
    assertThat(ended.get()).isEqualTo(RequestEnd.FINISHED);
    var result = worker.result(task.id());
    assertThat(result.status()).isEqualTo("cancelled");
    assertThat(error(result))
        .extracting(SqlError::sqlstate, SqlError::message)
        .containsExactly("57014", "canceling statement due to user request");
    assertThat(database.query("select to_regclass('cancelled')")).isEqualTo("null");
  }

  @Test
  void aTaskThatCatchesItsCancellationIsCancelledAgain() throws Exception {
    var task =
        database.launch(
            "alice",
            "",
            "do $$ begin for i in 1 .. 3 loop begin perform pg_sleep(60);"
                + " exception when query_canceled then null; end; end loop; end $$");
    var ended = worker.begin(task);
    awaitSleeping();
    worker.running.cancel(task.id());
    assertThat(ended.get()).isEqualTo(RequestEnd.FINISHED);
    assertThat(worker.result(task.id()).status()).isEqualTo("cancelled");
  }

  @Test
  void aCancellationThatComesBeforeTheBeginningCounts() throws Exception {
    var task = database.launch("alice", "", "create table never ()");
    worker.running.cancel(task.id());
    assertThat(run(task).status()).isEqualTo("cancelled");
  }

  @Test
  void whatIsPastItsDeadlineExpires() throws Exception {
    var task = database.launch("alice", "", "select pg_sleep(60)");
    var withDeadline = TestTasks.until(Instant.now().plusMillis(300), task);
    var result = run(withDeadline);
    assertThat(result.status()).isEqualTo("expired");
    assertThat(error(result).message())
        .isEqualTo("canceling statement due to the timeout of the request");
  }

  @Test
  void aTimeoutOfItsOwnIsAFailure() throws Exception {
    var result = run("set statement_timeout = '20ms'; select pg_sleep(60)");
    assertThat(result.status()).isEqualTo("failed");
    assertThat(error(result).message()).isEqualTo("canceling statement due to statement timeout");
  }

  @Test
  void closingLeavesATaskWithoutAResultAndTheNextAttemptRunsIt() throws Exception {
    var task = database.launch("alice", "", "create table by_whom (); select pg_sleep(0.3)");
    var ended = worker.begin(task);
    awaitSleeping();
    worker.running.leaveAll();
    assertThatThrownBy(ended::get).hasRootCauseInstanceOf(InterruptedException.class);
    assertThat(database.query("select count(*) from pgoffload.sql_result where id = " + task.id()))
        .isEqualTo("0");
    database.execute("update pgoffload.claim set worker = 'dead' where id = " + task.id());
    assertThat(run(task).attempt()).isEqualTo(2);
  }

  @Test
  void closingReportsWhatItInterruptsOutsideATransaction() throws Exception {
    run(
        "create procedure slow() language plpgsql as $$ begin commit; perform pg_sleep(60); end $$");
    var task = database.launch("alice", "", "call slow()");
    var ended = worker.begin(task);
    awaitSleeping();
    worker.running.leaveAll();
    assertThat(ended.get()).isEqualTo(RequestEnd.FINISHED);
    assertThat(worker.result(task.id()).status()).isEqualTo("failed");
    assertThat(error(worker.result(task.id())).sqlstate()).isEqualTo("57014");
  }

  @Test
  void aTakeoverEndsTheSessionThatStillRuns() throws Exception {
    var task =
        database.launch("alice", "", "create table taken_over (); select pg_advisory_xact_lock(6)");
    FutureTask<RequestEnd> second;
    try (var holder = database.as("bob");
        var statement = holder.createStatement()) {
      statement.execute("select pg_advisory_lock(6)");
      var first = worker.begin(task);
      awaitLocked();
      database.execute("update pgoffload.claim set worker = 'dead' where id = " + task.id());
      var claim = worker.claim(task);
      assertThat(claim.attempt()).isEqualTo(2);
      assertThat(claim.sessions()).hasSize(1);
      second = new FutureTask<>(() -> worker.runClaimed(task, claim));
      Thread.ofVirtual().start(second);
      // its session was ended under it, and the failure was not the last attempt's
      assertThat(first.get()).isEqualTo(RequestEnd.HELD);
    }
    assertThat(second.get()).isEqualTo(RequestEnd.FINISHED);
    assertThat(worker.topic.results()).extracting(SqlResult::attempt).containsOnly(2);
    assertThat(database.query("select count(*) from pg_class where relname = 'taken_over'"))
        .isEqualTo("1");
  }

  @Test
  void aTaskThatRaisesTheSqlStateOfASupersededAttemptFailsWithThat() throws Exception {
    var result = run("do $$ begin raise exception 'mine' using errcode = 'PO002'; end $$");
    assertThat(result.status()).isEqualTo("failed");
    assertThat(error(result).sqlstate()).isEqualTo("PO002");
  }

  @Test
  void aSessionThatEndedWhileItRestedIsNotTheNextTasksFailure() throws Exception {
    var pid = firstRow("select pg_backend_pid()").getFirst();
    database.query("select pg_terminate_backend(%s, 5000)".formatted(pid));
    var result = run("select 1");
    assertThat(result.status()).isEqualTo("succeeded");
  }

  @Test
  void aTaskThatEndsItsOwnSessionFailsWithThat() throws Exception {
    var result = run("select pg_terminate_backend(pg_backend_pid()), pg_sleep(5)");
    assertThat(result.status()).isEqualTo("failed");
    assertThat(error(result).sqlstate()).isEqualTo("57P01");
    assertThat(result.attempt()).isEqualTo(1);
  }

  @Test
  void aTaskInWhoseSessionAnEarlierOneWasTakenOverRunsAgain() throws Exception {
    var earlier = database.launch("alice", "", "select pg_backend_pid()");
    run(earlier);
    var pid = requireNonNull(worker.result(earlier.id()).returned().rows()).getFirst().getFirst();
    var task = database.launch("alice", "", "create table survived (); select pg_sleep(1)");
    var ended = worker.begin(task);
    awaitSleeping();
    // a fail-over has lost the earlier one's result, and another worker takes it over
    database.execute(
        "insert into pgoffload.claim (id, attempt, worker, epoch, requested_by_oid, token)"
            + " select id, attempt + 1, 'w2', epoch, requested_by_oid, gen_random_uuid()"
            + " from pgoffload.claim where id = "
            + earlier.id());
    assertThat(database.query("select pg_terminate_backend(%s, 5000)".formatted(pid)))
        .isEqualTo("t");
    assertThat(ended.get()).isEqualTo(RequestEnd.FINISHED);
    var result = worker.result(task.id());
    assertThat(result.status()).isEqualTo("succeeded");
    assertThat(result.attempt()).isEqualTo(2);
  }

  @Test
  void aSettingThatTheDriverCannotReadFails() throws Exception {
    assertThat(error(run("set client_encoding = 'latin1'; select 1")).sqlstate())
        .isEqualTo("0A000");
  }

  @Test
  void theServersRestartIsSurvivedByANewAttempt() throws Exception {
    var task = database.launch("alice", "", "create table restarted (); select pg_sleep(1)");
    var ended = worker.begin(task);
    awaitSleeping();
    database.restart();
    assertThat(ended.get()).isEqualTo(RequestEnd.FINISHED);
    var result = worker.result(task.id());
    assertThat(result.status()).isEqualTo("succeeded");
    assertThat(result.attempt()).isEqualTo(2);
    assertThat(database.query("select count(*) from pg_class where relname = 'restarted'"))
        .isEqualTo("1");
  }

  /// As a fault of the server would end it: without a word.
  private static void killBackendThatSleeps() throws SQLException {
    long pid =
        Long.parseLong(
            database.query("select pid from pg_stat_activity where wait_event = 'PgSleep'"));
    ProcessHandle.of(pid).orElseThrow().destroyForcibly();
    await().atMost(PATIENCE).until(() -> isBackAfter(pid));
  }

  private static boolean isBackAfter(long pid) {
    try {
      return database.query("select count(*) from pg_stat_activity where pid = " + pid).equals("0");
    } catch (AssertionError e) {
      return false; // no session is to be had yet
    }
  }

  @Test
  void aTaskWhoseSessionIsLostEachTimeEndsAsLost() throws Exception {
    var task = database.launch("alice", "", "create table lost (); select pg_sleep(60)");
    var ended = worker.begin(task);
    for (int i = 0; i < 4; i++) {
      awaitSleeping();
      killBackendThatSleeps();
    }
    assertThat(ended.get()).isEqualTo(RequestEnd.FINISHED);
    var result = worker.result(task.id());
    assertThat(error(result))
        .extracting(SqlError::sqlstate, SqlError::message)
        .containsExactly("08006", "lost connection to worker process with PID " + task.pid());
    assertThat(result.attempt()).isEqualTo(4);
    assertThat(database.query("select to_regclass('lost')")).isEqualTo("null");
  }

  @Test
  void whatRanOutsideATransactionWhenItsSessionWasLostIsUnknownAndNotRunAgain() throws Exception {
    run(
        """
        create table effects (i int);
        create procedure has_effects() language plpgsql
        as $$ begin insert into effects values (1); commit; perform pg_sleep(60); end $$
        """);
    var task = database.launch("alice", "", "call has_effects()");
    var ended = worker.begin(task);
    awaitSleeping();
    killBackendThatSleeps();
    assertThat(ended.get()).isEqualTo(RequestEnd.FINISHED);
    var result = worker.result(task.id());
    assertThat(error(result).sqlstate()).isEqualTo("08006");
    assertThat(error(result).detail()).contains("outcome is unknown");
    assertThat(result.attempt()).isEqualTo(1);
    assertThat(database.query("select count(*) from effects")).isEqualTo("1");
  }

  /// Rows are stored with commits that nobody waits for: a crash of the server may lose them.
  @Test
  void whatRanOutsideATransactionIsUnknownWhenItsRowsAreLost() throws Exception {
    run(
        """
        create procedure returns_much(inout a text) language plpgsql
        as $$ begin create table took_effect (); commit; a := repeat('x', 2000000); end $$
        """);
    database.execute(
        """
        create function lose() returns trigger language plpgsql as 'begin return null; end';
        create trigger lose before insert on pgoffload.sql_rows for each row execute function lose()
        """);
    try {
      var result = run("call returns_much('')");
      assertThat(error(result).sqlstate()).isEqualTo("08006");
      assertThat(error(result).detail()).contains("outcome is unknown");
    } finally {
      database.execute("drop trigger lose on pgoffload.sql_rows; drop function lose()");
    }
    assertThat(database.query("select to_regclass('took_effect') is null")).isEqualTo("f");
  }

  /// Else a crash of the server could take back a result whose request's offset is committed.
  @Test
  void theResultIsFlushedWhateverTheTaskHasSet() throws Exception {
    database.execute(
        """
        create table public.flushing (how text);
        create function tell_flushing() returns trigger language plpgsql security definer
        as $$ begin insert into public.flushing values (current_setting('synchronous_commit')); return null; end $$;
        create constraint trigger tell_flushing after insert on pgoffload.sql_result
          deferrable initially deferred for each row execute function tell_flushing()
        """);
    try {
      assertThat(run("set synchronous_commit = off; select 1 as one").status())
          .isEqualTo("succeeded");
      assertThat(database.query("select string_agg(how, ',') from public.flushing"))
          .isEqualTo("on");
    } finally {
      database.execute(
          "drop trigger tell_flushing on pgoffload.sql_result; drop function tell_flushing();"
              + " drop table public.flushing");
    }
  }

  @Test
  void aCommandOutsideATransactionWhoseWorkerDiedIsNotRunAgain() throws Exception {
    run(
        "create procedure outside() language plpgsql as $$ begin commit; perform pg_sleep(2); end $$");
    var task = database.launch("alice", "", "call outside()");
    var first = worker.begin(task);
    awaitSleeping();
    database.execute("update pgoffload.claim set worker = 'dead' where id = " + task.id());
    var claim = worker.claim(task);
    assertThat(claim.ending()).isNotNull();
    assertThat(worker.runClaimed(task, claim)).isEqualTo(RequestEnd.FINISHED);
    assertThat(error(worker.result(task.id())).detail()).contains("outcome is unknown");
    // it may see that it is not the last attempt before there is a result
    assertThat(first.get()).isIn(RequestEnd.FINISHED, RequestEnd.HELD);
    assertThat(worker.topic.results())
        .filteredOn(result -> result.id() == task.id())
        .extracting(SqlResult::attempt)
        .containsOnly(2);
  }

  /// The server that survives may lack the effect of a command, and know of its claim.
  @Test
  void aCommandOutsideATransactionThatEndsAfterAFailOverHasNoResultYet() throws Exception {
    run(
        "create procedure goes_on() language plpgsql"
            + " as $$ begin commit; perform pg_advisory_xact_lock(5); end $$");
    var task = database.launch("alice", "", "call goes_on()");
    CompletableFuture<RequestEnd> first;
    try (var holder = database.as("bob");
        var statement = holder.createStatement()) {
      statement.execute("select pg_advisory_lock(5)");
      first = worker.begin(task);
      awaitLocked();
      database.query("select pgoffload.prepare_timeline()::text");
      database.query("select pgoffload.begin_timeline(1, null, 'accepted')");
    }
    assertThat(first.get()).isEqualTo(RequestEnd.HELD);
    assertThat(worker.topic.results()).noneMatch(result -> result.id() == task.id());

    database.execute("update pgoffload.claim set worker = 'dead' where id = " + task.id());
    assertThat(worker.runClaimed(task, worker.claim(task))).isEqualTo(RequestEnd.FINISHED);
    assertThat(error(worker.result(task.id())).detail()).contains("outcome is unknown");
  }

  @Test
  void aResultThatStandsIsPublishedAgain() throws Exception {
    var task = database.launch("alice", "", "select 1 as one");
    run(task);
    assertThat(
            worker.records.claim(List.of(new TaskRecords.ToClaim(task.key(), null, false)), null))
        .isEqualTo(Map.of(task.id(), new Claim.Answered<SqlClaim>()));
    assertThat(worker.run.publishStanding(task.id())).isEqualTo(RequestEnd.FINISHED);
    assertThat(worker.topic.results()).hasSize(2);
    assertThat(worker.topic.results().getLast().returned().rows()).containsExactly(row("1"));
  }

  /// As if the role had launched it.
  private static SqlTask launchFor(String role) throws SQLException {
    database.execute(
        "insert into sql_request (command, requested_by, requested_by_oid, login_oid, settings, session, nonce)"
            + " select 'select 1', '%1$s', '%1$s'::regrole, '%1$s'::regrole, '{}', 's', null"
                .formatted(role));
    long id = Long.parseLong(database.query("select max(id) from sql_request"));
    return TestTasks.task(id, database.oid(role), "select 1", 65_536);
  }

  @Test
  void aRoleWhosePasswordHasExpiredIsToldSo(@TempDir Path directory) throws Exception {
    database.execute(
        "create role expired login password 'secret' valid until '2020-01-01'; grant pgbackground_role to expired");
    var passwords = directory.resolve("passwords");
    Files.writeString(passwords, "*:*:*:expired:secret\n");
    // the driver asks for it before the environment's PGPASSFILE
    System.setProperty("org.postgresql.pgpassfile", passwords.toString());
    try {
      var result = run(launchFor("expired"));
      assertThat(error(result).sqlstate()).isEqualTo("28P01");
      assertThat(error(result).hint()).contains("alter role expired valid until");
    } finally {
      System.clearProperty("org.postgresql.pgpassfile");
      database.execute("drop role expired");
    }
  }

  @Test
  void aRoleThatCannotBeLoggedInAsIsToldWhatIsMissing() throws Exception {
    var result = run(launchFor("nologin"));
    assertThat(result.status()).isEqualTo("failed");
    assertThat(error(result).sqlstate()).isEqualTo("28000");
    assertThat(error(result).message()).isEqualTo("the worker cannot log in as role \"nologin\"");
    assertThat(error(result).hint()).contains("pg_hba.conf");
  }

  /// What a role that is made for a test may do.
  private static void makeVa() throws SQLException {
    database.execute("create role va login; grant pgbackground_role to va");
  }

  private static void dropVa() throws SQLException {
    database.execute("drop owned by va; drop role va");
  }

  @Test
  void aRoleThatHasTakenTheNameOfAnotherIsGivenNoneOfItsSessions() throws Exception {
    makeVa();
    var before = database.launch("va", "", "select session_user, pg_backend_pid()");
    var pid = requireNonNull(run(before).returned().rows()).getFirst().getLast();
    database.execute("alter role va rename to old_va");
    makeVa();
    var after =
        requireNonNull(
            run(database.launch("va", "", "select session_user, pg_backend_pid()"))
                .returned()
                .rows());
    assertThat(after.getFirst().getFirst()).isEqualTo("va");
    assertThat(after.getFirst().getLast()).isNotEqualTo(pid);
    assertThat(
            run(database.launch("old_va", "", "select session_user, pg_backend_pid()"))
                .returned()
                .rows())
        .containsExactly(row("old_va", pid));
    dropVa();
    database.execute("drop owned by old_va; drop role old_va");
  }

  @Test
  void aRoleThatWasMadeAnewBeginsOnASessionOfItsOwn() throws Exception {
    makeVa();
    assertThat(run(database.launch("va", "", "select 1")).status()).isEqualTo("succeeded");
    dropVa();
    makeVa();
    assertThat(run(database.launch("va", "", "select session_user")).returned().rows())
        .containsExactly(row("va"));
    dropVa();
  }

  @Test
  void whatWasClaimedBeforeARenameRunsAsTheRoleThatLaunchedIt() throws Exception {
    makeVa();
    var task = database.launch("va", "", "select session_user, current_user");
    var claim = worker.claim(task);
    database.execute("alter role va rename to old_va");
    makeVa();
    worker.runClaimed(task, claim);
    assertThat(worker.result(task.id()).returned().rows()).containsExactly(row("old_va", "old_va"));
    dropVa();
    database.execute("drop owned by old_va; drop role old_va");
  }

  @Test
  void whatWasClaimedBeforeItsRoleWasDroppedSaysThatItIsGone() throws Exception {
    makeVa();
    run(database.launch("va", "", "select 1"));
    var task = database.launch("va", "", "select 1");
    var claim = worker.claim(task);
    dropVa();
    makeVa();
    worker.runClaimed(task, claim);
    assertThat(error(worker.result(task.id())).sqlstate()).isEqualTo("42704");
    assertThat(error(worker.result(task.id())).message())
        .startsWith("the role that launched the task does not exist any more");
    dropVa();
  }

  @Test
  void aSessionThatCannotBeginATaskIsNotUsedAgain() throws Exception {
    makeVa();
    var pid =
        requireNonNull(run(database.launch("va", "", "select pg_backend_pid()")).returned().rows());
    var task = database.launch("va", "", "select 1");
    var claim = worker.claim(task);
    database.execute("revoke pgbackground_role from va");
    worker.runClaimed(task, claim);
    assertThat(error(worker.result(task.id())).sqlstate()).isEqualTo("42501");
    database.execute("grant pgbackground_role to va");
    assertThat(run(database.launch("va", "", "select pg_backend_pid()")).returned().rows())
        .isNotEqualTo(pid);
    dropVa();
  }

  @Test
  void aRoleThatMayNotConnectIsToldWhatToGrant() throws Exception {
    makeVa();
    var task = database.launch("va", "", "select 1");
    var claim = worker.claim(task);
    var name = database.admin().database();
    database.execute(
        "revoke connect on database %1$s from public; grant connect on database %1$s to alice, bob, pgoffload_worker"
            .formatted(name));
    worker.runClaimed(task, claim);
    assertThat(error(worker.result(task.id())))
        .extracting(SqlError::sqlstate, SqlError::hint)
        .containsExactly(
            "42501", "Have an administrator run: grant connect on database " + name + " to va");
    database.execute(
        "grant connect on database %1$s to public; revoke connect on database %1$s from alice, bob, pgoffload_worker"
            .formatted(name));
    dropVa();
  }

  @Test
  void aRoleThatMayNotLogInAnyMoreIsToldWhatToAlter() throws Exception {
    makeVa();
    var task = database.launch("va", "", "select 1");
    var claim = worker.claim(task);
    database.execute("alter role va nologin");
    worker.runClaimed(task, claim);
    assertThat(error(worker.result(task.id())))
        .extracting(SqlError::sqlstate, SqlError::hint)
        .containsExactly("28000", "Have an administrator run: alter role va login");
    dropVa();
  }

  @Test
  void aTaskThatWaitsForAConnectionSaysSoAndBeginsWhenThereIsOne() throws Exception {
    makeVa();
    var task = database.launch("va", "", "select 1");
    var status = "select sql_status(" + task.id() + ")";
    CompletableFuture<RequestEnd> ended;
    try (var _ = database.as("va")) {
      database.execute("alter role va connection limit 1");
      ended = worker.begin(task);
      await()
          .atMost(PATIENCE)
          .until(() ->
              database
                  .query("select progress_msg from sql_queue where id = " + task.id())
                  .equals("waits for a connection: too many connections for role \"va\""));
      assertThat(database.query(status)).isEqualTo("queued");
    }
    assertThat(ended.get()).isEqualTo(RequestEnd.FINISHED);
    assertThat(database.query(status)).isEqualTo("succeeded");
    dropVa();
  }

  @Test
  void aSessionThatRestsAtAnotherDepthGivesItsPlaceUp() throws Exception {
    makeVa();
    run(database.launch("va", "", "select 1"));
    var nested =
        TestTasks.with(
            database.launch("va", "", "select 1"), new SqlTask.Scheduling(null, null, 1, null));
    database.execute("alter role va connection limit 1");
    assertThat(run(nested).status()).isEqualTo("succeeded");
    dropVa();
  }

  @Test
  void aSessionIsUsedAgainWithoutTracesOfTheTaskBefore() throws Exception {
    var first = firstRow("set work_mem = '9MB'; select pg_backend_pid()").getFirst();
    var second = firstRow("select pg_backend_pid(), current_setting('work_mem')");
    assertThat(second.getFirst()).isEqualTo(first);
    assertThat(second.getLast()).isNotEqualTo("9MB");
  }
}
