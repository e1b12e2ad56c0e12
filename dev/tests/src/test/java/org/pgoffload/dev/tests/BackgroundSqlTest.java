package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.awaitRows;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;
import static org.pgoffload.dev.tests.Sql.value;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Secret;
import org.postgresql.util.PSQLWarning;

/// What users of pg_background do, as an ordinary role: real PostgreSQL, Kafka and Debezium, and a
/// worker that logs in with its certificate.
class BackgroundSqlTest extends OnSharedInstallation {
  /// The password of mallory and of stranger, in the statements below.
  static final String OF_ROLES = "not a secret";

  private static final Secret PASSWORD = Secret.of(OF_ROLES);

  @BeforeAll
  static void createRoles(SharedInstallation shared) throws SQLException {
    try (var admin = shared.installation().admin().connect("test")) {
      execute(
          admin,
          """
          create role mallory login password 'not a secret';
          select grant_pg_background_privileges('mallory');
          create schema mallory authorization mallory;
          create role team nologin;
          grant team to app;
          create role stranger login password 'not a secret';
          """);
    }
  }

  // the usual forms

  @Test
  void launchesAndReadsInOneStatement() throws SQLException {
    assertThat(
            query(
                app,
                "select a || b from pg_background_result(pg_background_launch('select 1, ''x''::text')) as (a int, b text)"))
        .containsExactly("1x");
  }

  @Test
  void readsSeveralLaunchesInAnyOrder() throws SQLException {
    execute(
        app,
        """
        do $$
        declare
          first integer := pg_background_launch('select 1');
          second integer := pg_background_launch('select 2');
        begin
          assert (select n from pg_background_result(second) as (n int)) = 2;
          assert (select n from pg_background_result(first) as (n int)) = 1;
        end $$
        """);
  }

  @Test
  void answersAThousandLaunchesOfOneStatement() throws SQLException {
    assertThat(
            query(
                app,
                """
                with launched as materialized (
                  select array_agg(pg_background_launch(format('select %s', n)) order by n) as pids
                  from generate_series(1, 1000) n)
                select count(*) from launched l, unnest(l.pids) with ordinality u (pid, n),
                  lateral pg_background_result(u.pid) as (m int) where m = n
                """))
        .containsExactly("1000");
  }

  @Test
  void longMaintenanceRunsOutsideATransactionBlock() throws SQLException {
    execute(
        app, "create table if not exists maintained (id int); insert into maintained values (1)");
    assertThat(result("vacuum (analyze) maintained")).containsExactly("VACUUM");
    assertThat(result("create table made (id int); insert into made values (1), (2)"))
        .containsExactly("CREATE TABLE", "INSERT 0 2");
    assertThat(query(app, "select count(*) from made")).containsExactly("2");
  }

  @Test
  void anAutonomousLogOutlivesARollback() throws SQLException {
    execute(app, "create table audit (line text)");
    app.setAutoCommit(false);
    var pid = value(app, "select pg_background_launch('insert into audit values (''tried'')')");
    app.rollback();
    app.setAutoCommit(true);

    // the handle of a launch that was rolled back is good
    assertThat(query(app, "select r from pg_background_result(" + pid + ") as (r text)"))
        .containsExactly("INSERT 0 1");
    assertThat(query(app, "select line from audit")).containsExactly("tried");
  }

  @Test
  void partitionsAreWorkedOnInParallel() throws SQLException {
    execute(
        app,
        """
        create table measured (part int, value int) partition by list (part);
        create table measured_1 partition of measured for values in (1);
        create table measured_2 partition of measured for values in (2);
        create table measured_3 partition of measured for values in (3);
        insert into measured select p, v from generate_series(1, 3) p, generate_series(1, 100) v
        """);
    assertThat(
            query(
                app,
                """
                with launched as materialized (
                  select array_agg(pg_background_launch(format('select sum(value) from measured_%s', p))) as pids
                  from generate_series(1, 3) p)
                select sum(s) from launched l, unnest(l.pids) pid, lateral pg_background_result(pid) as (s bigint)
                """))
        .containsExactly("15150");
  }

  @Test
  void aTimeoutInsideTheTaskHasItsEffect() {
    assertRaises(
        "57014",
        "statement timeout",
        taskOf("set statement_timeout = '100ms'; select pg_sleep(30)"));
  }

  @Test
  void anIndexIsBuiltConcurrently() throws SQLException {
    execute(app, "create table indexed as select n from generate_series(1, 1000) n");
    var handle = handle("create index concurrently indexed_n on indexed (n)");
    // by short statements: it waits for the end of longer ones
    await().atMost(PATIENCE).until(() -> state(handle).equals("stopped"));
    assertThat(query(app, "select r from pg_background_result_v2" + handle + " as (r text)"))
        .containsExactly("CREATE INDEX");
    assertThat(
            query(app, "select indisvalid from pg_index where indexrelid = 'indexed_n'::regclass"))
        .containsExactly("t");
  }

  @Test
  void anIndexThatWaitsForItsReaderIsEndedByTheDeadlockDetector() throws SQLException {
    execute(app, "create table waited_for as select n from generate_series(1, 10) n");
    assertRaises(
        "40P01",
        "deadlock detected",
        taskOf("create index concurrently waited_for_n on waited_for (n)"));
  }

  @Test
  void aTaskThatWaitsForItsCallerIsEndedByTheDeadlockDetector() throws SQLException {
    execute(app, "create table locked as select 1 as id");
    app.setAutoCommit(false);
    execute(app, "select * from locked for update");
    assertRaises("40P01", "deadlock detected", taskOf("update locked set id = 2"));
    app.rollback();
    app.setAutoCommit(true);
  }

  @Test
  void aRoleIsGrantedTheRightAndLosesIt() throws SQLException {
    try (var stranger = as("stranger");
        var admin = installation.admin().connect("test")) {
      assertRaises(
          stranger, "42501", "permission denied", "select pg_background_launch('select 1')");
      assertThat(query(admin, "select grant_pg_background_privileges('stranger', true)"))
          .containsExactly("t");
      assertThat(
              query(
                  stranger,
                  "select u from pg_background_result(pg_background_launch('select current_user::text')) as (u text)"))
          .containsExactly("stranger");
      assertThat(query(admin, "select revoke_pg_background_privileges('stranger')"))
          .containsExactly("t");
      assertRaises(
          stranger, "42501", "permission denied", "select pg_background_launch('select 1')");
    }
  }

  // rows, errors, notices

  @Test
  void statementsOfOneStringSeeEachOthersChanges() throws SQLException {
    execute(app, "create table seen (id int)");
    assertThat(
            query(
                app,
                "select n from pg_background_result(pg_background_launch('insert into seen values (1), (2); select count(*) from seen')) as (n bigint)"))
        .containsExactly("2");
  }

  @Test
  void everyTypeComesBackAsItWent() throws SQLException {
    execute(app, "create type colour as enum ('red', 'green')");
    execute(app, "create domain positive as int check (value > 0)");
    execute(app, "create type pair as (a int, b text)");
    var columns =
        """
        '\\x00ff'::bytea as b, array[1,null,3] as ia, array['a,b','"c"',null] as ta, row(1,'x y')::pair as p,
        array[row(1,'a')::pair] as pa, int4range(1,5) as r, 'NaN'::numeric as nan, 'infinity'::date as inf,
        null::text as nothing, 'green'::colour as c, 7::positive as d, '{"a": [1, null]}'::json as j, '{"b":2}'::jsonb as jb,
        '-1 day -2:03:04'::interval as i, timestamptz '2024-02-29 12:00:00.123456+02' as ts, 1.5::float8 as f, true as t,
        b'101'::bit(3) as bits, 'abc'::char(5) as ch, 12.34::numeric(10,2) as num, 'a'::varchar(3) as v, '12:00'::time as tm
        """;
    var declared =
        "b bytea, ia int[], ta text[], p pair, pa pair[], r int4range, nan numeric, inf date, nothing text, c colour, d int,"
            + " j json, jb jsonb, i interval, ts timestamptz, f float8, t bool, bits bit(3), ch char(5), num numeric(10,2), v varchar(3), tm time";
    for (var style : List.of("postgres", "sql_standard", "iso_8601", "postgres_verbose")) {
      execute(app, "set intervalstyle = '" + style + "'");
      assertThat(
              query(
                  app,
                  "select r::text from pg_background_result(pg_background_launch($q$select "
                      + columns
                      + "$q$)) as r("
                      + declared
                      + ")"))
          .isEqualTo(query(app, "select r::text from (select " + columns + ") r"));
    }
  }

  @Test
  void aResultOfManyRowsComesBackWhole() throws SQLException {
    assertThat(
            query(
                app,
                "select count(*) || ' ' || sum(n) || ' ' || max(length(t)) from pg_background_result(pg_background_launch("
                    + "'select n, repeat(''x'', n % 100) from generate_series(1, 200000) n')) as (n int, t text)"))
        .containsExactly("200000 20000100000 99");
  }

  @Test
  void aRowLargerThanAChunkComesBackWhole() throws SQLException {
    assertThat(
            query(
                app,
                "select length(a) || ' ' || length(b) from pg_background_result(pg_background_launch("
                    + "'select repeat(''x'', 5000000), repeat(''é\"'', 1000000) union all select ''a'', ''b''')) as (a text, b text)"))
        .containsExactly("5000000 2000000", "1 1");
  }

  @Test
  void anErrorIsRaisedAsItsOwn() throws SQLException {
    execute(app, "create table child (id int constraint child_positive check (id > 0))");
    execute(
        app,
        """
        do $$
        declare
          state text; told text; detail text; constraint_name text; table_name text; context text;
        begin
          perform * from pg_background_result(pg_background_launch('insert into child values (-1)')) as (r text);
          raise 'not reached';
        exception when check_violation then
          get stacked diagnostics state = returned_sqlstate, told = message_text, detail = pg_exception_detail,
            constraint_name = constraint_name, table_name = table_name, context = pg_exception_context;
          assert constraint_name = 'child_positive' and table_name = 'child' and detail like 'Failing row contains (-1)%',
            format('%s %s %s %s', state, told, detail, constraint_name);
          assert context ~ 'background worker, pid \\d+', context;
        end $$
        """);
    execute(
        app,
        """
        do $$
        begin
          perform * from pg_background_result(pg_background_launch('select 1/0')) as (r int);
          raise 'not reached';
        exception when division_by_zero then null;
        end $$
        """);
  }

  @Test
  void noticesComeWithTheResult() throws SQLException {
    try (var statement = app.createStatement()) {
      statement.execute(
          taskOf(
              "do $n$ begin raise notice 'one'; raise warning 'two' using hint = 'three'; end $n$"));
      var said = new ArrayList<String>();
      for (var warning = statement.getWarnings();
          warning != null;
          warning = warning.getNextWarning()) {
        var message = ((PSQLWarning) warning).getServerErrorMessage();
        said.add(message.getSeverity() + " " + message.getMessage() + " " + message.getHint());
      }
      assertThat(said).containsExactly("NOTICE one null", "WARNING two three");
    }
  }

  @Test
  void copyToStdoutGivesItsLines() throws SQLException {
    assertThat(result("copy (select n, null from generate_series(1, 3) n) to stdout"))
        .containsExactly("1\t\\N", "2\t\\N", "3\t\\N");
  }

  @Test
  void badInputIsRefusedClearly() {
    assertRaises("42601", "syntax error", taskOf("selekt 1"));
    assertRaises("0A000", "transaction control", taskOf("begin; select 1; commit"));
    assertRaises("0A000", "COPY protocol", taskOf("copy audit from stdin"));
    assertRaises("0A000", "LISTEN", taskOf("listen x"));
    assertRaises("42P02", "there is no parameter $1", taskOf("select $1"));
    assertRaises("0A000", "DateStyle", taskOf("set datestyle = 'German'"));
    assertRaises("0A000", "client_encoding", taskOf("set client_encoding = 'LATIN1'"));
    assertRaises(
        "22023", "queue size must be at least 64", "select pg_background_launch('select 1', 63)");
    assertRaises(
        "42804",
        "remote query result rowtype",
        "select * from pg_background_result(pg_background_launch('select 1')) as (t text)");
    assertRaises(
        "42704",
        "PID 4711 is not attached",
        "select * from pg_background_result(4711) as (t text)");
  }

  @Test
  void anEmptyStringGivesNoRowsAndNullLaunchesNothing() throws SQLException {
    assertThat(result("")).isEmpty();
    assertThat(result("-- nothing")).isEmpty();
    assertThat(query(app, "select pg_background_launch(null) is null")).containsExactly("t");
  }

  @Test
  void aCommandOfFiveMegabytesRuns() throws SQLException {
    assertThat(
            query(
                app,
                "select n from pg_background_result(pg_background_launch(format('select length(%L)', repeat('x', 5000000)))) as (n int)"))
        .containsExactly("5000000");
  }

  // transactions and isolation

  @Test
  void worksInEveryKindOfTransaction() throws SQLException {
    for (var mode :
        List.of(
            "isolation level repeatable read",
            "isolation level serializable",
            "isolation level read committed read only")) {
      execute(app, "begin " + mode);
      execute(app, "select count(*) from pg_class");
      assertThat(
              query(
                  app,
                  "select n from pg_background_result(pg_background_launch('select 42')) as (n int)"))
          .as(mode)
          .containsExactly("42");
      assertThat(
              query(
                  app,
                  "select count(*) from pg_background_result(pg_background_launch('select * from generate_series(1, 50000)')) as (n int)"))
          .as(mode)
          .containsExactly("50000");
      execute(app, "commit");
    }
    execute(app, "begin isolation level serializable read only");
    assertRaises("0A000", "cannot launch", "select pg_background_launch('select 1')");
    execute(app, "rollback");
  }

  @Test
  void aLaterErrorUndoesEarlierStatements() throws SQLException {
    execute(app, "create table undone (id int)");
    assertRaises("22012", "division by zero", taskOf("insert into undone values (1); select 1/0"));
    assertThat(query(app, "select count(*) from undone")).containsExactly("0");
  }

  @Test
  void aResultIsReadOnceUnlessItsReadingIsRolledBack() throws SQLException {
    var pid = value(app, "select pg_background_launch('select 1')");
    app.setAutoCommit(false);
    assertThat(query(app, "select n from pg_background_result(" + pid + ") as (n int)"))
        .containsExactly("1");
    app.rollback();
    app.setAutoCommit(true);
    assertThat(query(app, "select n from pg_background_result(" + pid + ") as (n int)"))
        .containsExactly("1");
    assertRaises(
        "42704", "is not attached", "select * from pg_background_result(" + pid + ") as (n int)");
  }

  @Test
  void settingsGoWithTheTaskAndNothingComesBack() throws SQLException {
    execute(app, "set pgoffload.forward_settings = 'app.tenant'");
    execute(
        app,
        "begin; set local work_mem = '7MB'; set local app.tenant = 'seven'; set local timezone = 'Asia/Tokyo'");
    assertThat(
            query(
                app,
                "select a || ' ' || b || ' ' || c from pg_background_result(pg_background_launch("
                    + "'select current_setting(''work_mem''), current_setting(''app.tenant''), current_setting(''timezone'')')) as (a text, b text, c text)"))
        .containsExactly("7MB seven Asia/Tokyo");
    execute(app, "rollback");
    result("set work_mem = '9MB'");
    assertThat(query(app, "show work_mem")).doesNotContain("9MB");
    assertThat(
            query(
                app,
                "select w from pg_background_result(pg_background_launch('select current_setting(''work_mem'')')) as (w text)"))
        .isEqualTo(query(app, "show work_mem"));
  }

  @Test
  void proceduresThatCommitRun() throws SQLException {
    execute(app, "create table committed (id int)");
    execute(
        app,
        """
        create procedure commits() language plpgsql as $$
        begin
          for i in 1 .. 3 loop insert into committed values (i); commit; end loop;
        end $$
        """);
    assertThat(result("call commits()")).containsExactly("CALL");
    assertThat(query(app, "select count(*) from committed")).containsExactly("3");
  }

  // handles, cancelling, progress

  @Test
  void cancellingReachesARunningStatementAndAQueuedTask() throws SQLException {
    execute(app, "set pg_background.max_workers = 1");
    var running = handle("select pg_sleep(60)");
    await().atMost(PATIENCE).until(() -> state(running).equals("running"));
    var queued = handle("select 1");

    execute(app, "select pg_background_cancel_v2" + queued);
    execute(app, "select pg_background_wait_v2" + queued);
    assertThat(state(queued)).isEqualTo("canceled");
    assertThat(state(running)).isEqualTo("running");

    execute(app, "select pg_background_cancel_v2_grace(" + inner(running) + ", 10000)");
    assertThat(state(running)).isEqualTo("canceled");
    assertRaises(
        "57014",
        "canceling statement",
        "select * from pg_background_result_v2" + running + " as (x text)");
  }

  @Test
  void anotherSessionOfTheRoleReadsAndListsAHandle() throws SQLException {
    var handle = handle("select 'from elsewhere'::text");
    try (var other = installation.application().connect("test")) {
      assertThat(query(other, "select t from pg_background_result_v2" + handle + " as (t text)"))
          .containsExactly("from elsewhere");
      assertThat(
              query(
                  other,
                  "select sql_preview from pg_background_list where (pid, cookie) = " + handle))
          .containsExactly("select 'from elsewhere'::text");
    }
    try (var mallory = as("mallory")) {
      assertRaises(
          mallory,
          "42704",
          "is not attached",
          "select * from pg_background_result_v2" + handle + " as (t text)");
      assertThat(
              query(
                  mallory,
                  "select count(*) from pg_background_list where cookie = " + cookie(handle)))
          .containsExactly("0");
    }
  }

  @Test
  void progressIsSeenWhileTheTaskRuns() throws SQLException {
    var handle = handle("select pg_background_progress(42, 'half way'); select pg_sleep(60)");
    awaitRows(
        app,
        "select progress_pct || ' ' || progress_msg from pg_background_get_progress_v2" + handle,
        "42 half way");
    assertThat(
            query(
                app,
                "select application_name from pg_stat_activity a, pg_background_list l where l.cookie = "
                    + cookie(handle)
                    + " and a.application_name = 'pg_background:' || l.pid"))
        .hasSize(1);
    execute(app, "select pg_background_cancel_v2_grace(" + inner(handle) + ", 10000)");
  }

  @Test
  void tasksLaunchTasksWithoutStarvingThem() throws SQLException {
    execute(app, "set pg_background.max_workers = 100");
    assertThat(
            query(
                app,
                """
                with launched as materialized (
                  select array_agg(pg_background_launch(
                    'select n from pg_background_result(pg_background_launch(''select 1'')) as (n int)')) as pids
                  from generate_series(1, 60))
                select sum(n) from launched l, unnest(l.pids) pid, lateral pg_background_result(pid) as (n int)
                """))
        .containsExactly("60");
  }

  @Test
  void aWaitingCallerCanBeCancelledAndTheTaskGoesOn() throws Exception {
    execute(app, "create table went_on (id int)");
    try (var statement = app.createStatement()) {
      var reading =
          CompletableFuture.supplyAsync(() -> {
            try {
              statement.execute(taskOf("select pg_sleep(2); insert into went_on values (1)"));
              return "answered";
            } catch (SQLException e) {
              return String.valueOf(e.getSQLState());
            }
          });
      try (var other = installation.application().connect("test")) {
        awaitRows(
            other,
            "select count(*) from sql_queue where command like '%went_on%' and status = 'running'",
            "1");
        statement.cancel();
        assertThat(reading.get(30, TimeUnit.SECONDS)).isEqualTo("57014");
        awaitRows(other, "select count(*) from went_on", "1");
      }
    }
  }

  // fire and poll

  @Test
  void anInsertedCommandRunsWithItsTransaction() throws SQLException {
    execute(app, "create table polled (id int)");
    var id =
        value(
            app,
            "insert into sql_request (command, label) values ('insert into polled select generate_series(1, 3)', 'fill') returning id");
    assertThat(query(app, "select status from llm_wait(array[" + id + "::bigint], '30 s')"))
        .containsExactly("succeeded");
    assertThat(
            query(app, "select concat_ws(' ', status, tag, row_count) from sql_result(" + id + ")"))
        .containsExactly("succeeded INSERT 0 3 3");
    var rows =
        value(
            app,
            "insert into sql_request (command) values ('select id, id * 2 as twice from polled order by id') returning id");
    execute(app, "select * from llm_wait(array[" + rows + "::bigint], '30 s')");
    assertThat(query(app, "select twice from sql_rows(" + rows + ") as (id int, twice int)"))
        .containsExactly("2", "4", "6");
    assertThat(query(app, "select sql_rows_json(" + rows + ")::text"))
        .containsExactly(
            "{\"id\": 1, \"twice\": 2}", "{\"id\": 2, \"twice\": 4}", "{\"id\": 3, \"twice\": 6}");
  }

  @Test
  void sameKeyedCommandsRunOneAfterAnother() throws SQLException {
    execute(app, "create table ordered (n int, at timestamptz default clock_timestamp())");
    execute(
        app,
        "insert into sql_request (command, ordering_key) select format('insert into ordered values (%s); select pg_sleep(0.02)', n), 'k' from generate_series(1, 10) n");
    awaitRows(app, "select count(*) from ordered", "10");
    assertThat(query(app, "select n from ordered order by at"))
        .isEqualTo(
            IntStream.rangeClosed(1, 10).mapToObj(String::valueOf).collect(Collectors.toList()));
  }

  @Test
  void aTimeoutExpiresARunningCommand() throws SQLException {
    var id =
        value(
            app,
            "insert into sql_request (command, timeout) values ('select pg_sleep(60)', '1 s') returning id");
    assertThat(query(app, "select status from llm_wait(array[" + id + "::bigint], '30 s')"))
        .containsExactly("expired");
    assertThat(query(app, "select sqlstate from sql_result(" + id + ")")).containsExactly("57014");
  }

  // attacks

  @Test
  void aTaskCannotBecomeAnybodyElse() throws SQLException {
    try (var mallory = as("mallory")) {
      for (var attack :
          List.of(
              "set role postgres",
              "set session authorization postgres",
              "set role pgoffload_worker")) {
        assertRaises(mallory, "42501", "permission denied", taskOf(attack + "; select 1"));
      }
      assertThat(
              query(
                  mallory,
                  "select u from pg_background_result(pg_background_launch('reset role; reset session authorization; select session_user || current_user')) as (u text)"))
          .containsExactly("mallorymallory");
      for (var forbidden :
          List.of(
              "select * from pgoffload.signing_key",
              "select token from pgoffload.claim",
              "select pgoffload.signing_keys()",
              "select pgoffload.end_sql(1, 1, '{}')",
              "select pgoffload.new_signing_key()")) {
        assertRaises(mallory, "42501", "permission denied", taskOf(forbidden));
      }
    }
  }

  @Test
  void setRoleGoesWithTheTask() throws SQLException {
    execute(app, "set role team");
    try {
      // the right to launch is the login role's
      assertRaises("42501", "permission denied", "select pg_background_launch('select 1')");
      try (var admin = installation.admin().connect("test")) {
        execute(admin, "grant pgbackground_role to team");
      }
      assertThat(
              query(
                  app,
                  "select u from pg_background_result(pg_background_launch('select current_user || '' '' || session_user')) as (u text)"))
          .containsExactly("team app");
    } finally {
      execute(app, "reset role");
    }
  }

  @Test
  void aSecurityDefinerFunctionLaunchesAsItsOwnerAlone() throws SQLException {
    try (var mallory = as("mallory");
        var admin = installation.admin().connect("test")) {
      execute(
          mallory,
          """
          create function mallory.trap(int) returns int language plpgsql immutable security definer as $$
          begin
            perform public.pg_background_launch('create table mallory.caught as select session_user::text as u');
            return $1;
          end $$;
          grant usage on schema mallory to public;
          """);
      query(admin, "select mallory.trap(1)");
      awaitRows(admin, "select count(*) from pg_class where relname = 'caught'", "1");
      assertThat(query(admin, "select u from mallory.caught")).containsExactly("mallory");
      execute(admin, "drop table mallory.caught");

      // an index expression that a superuser's ANALYZE evaluates
      execute(
          mallory,
          """
          create table mallory.bait (n int);
          insert into mallory.bait select generate_series(1, 3);
          create index on mallory.bait (mallory.trap(n));
          drop table if exists mallory.caught;
          """);
      execute(admin, "analyze mallory.bait");
      awaitRows(admin, "select count(*) from pg_class where relname = 'caught'", "1");
      assertThat(query(admin, "select u from mallory.caught")).containsExactly("mallory");
    }
  }

  @Test
  void nothingOfATaskIsLeftForTheNext() throws SQLException {
    result(
        "create temp table left_behind (id int); prepare left_plan as select 1; do $l$ begin perform pg_advisory_lock(4711); end $l$;"
            + " do $l$ begin perform pg_advisory_unlock_all(); perform pg_advisory_lock(4712); end $l$;"
            + " set work_mem = '11MB'");
    for (int i = 0; i < 4; i++) {
      assertThat(
              query(
                  app,
                  "select concat(a, b, c, d) from pg_background_result(pg_background_launch($q$"
                      + "select (select count(*) from pg_prepared_statements where name = 'left_plan'),"
                      + " (select count(*) from pg_class where relname = 'left_behind' and pg_table_is_visible(oid)),"
                      + " (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory' and objid in (4711, 4712)),"
                      + " current_setting('work_mem') $q$)) as (a bigint, b bigint, c bigint, d text)"))
          .containsExactly("000" + value(app, "show work_mem"));
    }
  }

  @Test
  void aTaskThatTerminatesItselfFailsOnce() {
    assertRaises(
        "57P01", "terminating connection", taskOf("select pg_terminate_backend(pg_backend_pid())"));
  }

  @Test
  void whatATaskDoesToItsTransactionIsItsOwnAffair() throws SQLException {
    assertThat(result("set transaction read only; select 'fine'::text")).containsExactly("fine");
    execute(app, "create table read_only (id int)");
    assertRaises(
        "25006",
        "read-only",
        taskOf("insert into read_only values (1); set transaction read only"));
    assertThat(query(app, "select count(*) from read_only")).containsExactly("0");
    assertThat(result("deallocate all; select 'fine'::text")).containsExactly("fine");
    assertThat(result("discard all")).containsExactly("DISCARD ALL");
  }

  private List<String> result(String command) throws SQLException {
    return query(app, taskOf(command));
  }

  private static String taskOf(String command) {
    return "select r from pg_background_result(pg_background_launch($task$"
        + command
        + "$task$)) as (r text)";
  }

  /// `(pid,cookie)` of a launch.
  private String handle(String command) throws SQLException {
    return value(app, "select (pg_background_launch_v2($task$" + command + "$task$))::text");
  }

  private static String inner(String handle) {
    return handle.substring(1, handle.length() - 1);
  }

  private static String cookie(String handle) {
    return inner(handle).split(",", -1)[1];
  }

  private String state(String handle) throws SQLException {
    return Objects.requireNonNullElse(
        value(app, "select state from pg_background_outcome_v2" + handle), "");
  }

  private Connection as(String role) throws SQLException {
    var connection = installation.admin().as(role, PASSWORD).connect("test");
    execute(connection, "set statement_timeout = '60s'");
    return connection;
  }
}
