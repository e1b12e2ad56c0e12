package org.pgoffload.worker.sql;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.worker.sql.sessions.SqlTask;

/// What a task finds of the task before on the same session.
@ParameterizedClass(name = "PostgreSQL {0}")
@EnumSource(
    value = PostgresVersion.class,
    names = {"V15", "V18"})
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@SuppressWarnings("NullAway.Init") // JUnit sets them before the first test
final class SessionsBetweenTasksTest {
  @Parameter PostgresVersion version;
  @AutoClose private TestDatabase database;
  private TestWorker worker;

  @BeforeEach
  void openWorker() {
    worker = new TestWorker(database);
  }

  @AfterEach
  void closeWorker() {
    worker.close();
  }

  @BeforeParameterizedClassInvocation
  void makeFunctions() {
    database = new TestDatabase(version);
    database.execute(
        """
        create sequence plannings;
        -- a lie: the server calls it once for each plan
        create function planning() returns bigint immutable language sql as $$ select nextval('plannings') $$;
        create function planned() returns bigint language plpgsql as $$ begin return planning(); end $$;
        create function literal() returns text language plpgsql as $$ begin return to_char(date '01.02.2024', 'Mon'); end $$;
        create function text_of_interval() returns text language plpgsql as $$ begin return interval '1 day'; end $$;
        grant usage on sequence plannings to alice, bob, team
        """);
  }

  private SqlResult run(SqlTask task) throws Exception {
    worker.runClaimed(task, worker.claim(task));
    return worker.result(task.id());
  }

  private SqlResult run(String command) throws Exception {
    return run(database.launch("alice", "", command));
  }

  private @Nullable String value(SqlTask task) throws Exception {
    var result = run(task);
    assertThat(result.error()).isNull();
    return requireNonNull(result.returned().rows()).getLast().getLast();
  }

  private @Nullable String value(String command) throws Exception {
    return value(database.launch("alice", "", command));
  }

  private @Nullable String valueWith(String settings, String command) throws Exception {
    return value(database.launch("alice", settings, command));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "set work_mem = '9MB' | current_setting('work_mem') | 4MB",
        "select set_config('app.left', 'x', false) | coalesce(current_setting('app.left', true), '') | ''",
        "set role team | current_user | alice",
        "set session authorization alice; set role team | current_user | alice",
        "prepare p as select 1 | (select count(*) from pg_prepared_statements) | 0",
        "do $$ begin execute 'prepare p as select 1'; end $$ | (select count(*) from pg_prepared_statements) | 0",
        "do $$ begin execute 'declare c cursor with hold for select 1'; end $$ | (select count(*) from pg_cursors where is_holdable) | 0",
        "do $$ begin execute 'listen c'; end $$ | (select count(*) from pg_listening_channels()) | 0",
        "select pg_advisory_lock(7, 7) | (select count(*) from pg_locks where locktype = 'advisory' and classid = 7) | 0",
        "create temp table t (i int) | to_regclass('pg_temp.t') is null | t",
        "create temp view t as select 1 | to_regclass('pg_temp.t') is null | t",
        "create function pg_temp.f() returns int language sql as 'select 1' | to_regproc('pg_temp.f') is null | t",
        "set search_path = nowhere | current_setting('search_path') | \"$user\", public",
        "set transaction_timeout = '1s' | coalesce(current_setting('transaction_timeout', true), '0') | 0"
      })
  void keepNothingThatATaskHasLeft(String left, String look, String expected) throws Exception {
    for (var ending : List.of("", "; select 1/0")) {
      var pid = value("select pg_backend_pid()");
      run(left + ending);
      assertThat(value("select concat_ws(' ', pg_backend_pid(), " + look + ")"))
          .isEqualTo(pid + " " + expected);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"lastval()", "currval('counted')"})
  void forgetSequences(String look) throws Exception {
    database.execute(
        "create sequence if not exists counted; grant usage on sequence counted to alice");
    assertThat(value("select nextval('counted')")).isNotNull();
    assertThat(requireNonNull(run("select " + look).error()).sqlstate()).isEqualTo("55000");
  }

  /// Twice: the second task uses what the first has planned.
  private void keepPlans() throws Exception {
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> requireNonNull(value("select planned()")).equals(value("select planned()")));
  }

  @Test
  void keepPlansForATaskLikeTheOneBefore() throws Exception {
    keepPlans();
  }

  @Test
  void planAnewAfterAWhile() throws Exception {
    var first = value("select planned()");
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> !Objects.equals(value("select planned()"), first));
  }

  @Test
  void planAnewAfterTheDigitsOfFloatsWereSet() throws Exception {
    database.execute(
        "create function total() returns text language plpgsql as $$ begin return (0.1::float8 + 0.2::float8)::text; end $$");
    for (int i = 0; i < 5; i++) {
      run("select set_config('extra_float_digits', '-5', false); select total()");
      assertThat(value("select total()")).isEqualTo("0.30000000000000004");
    }
    database.execute("drop function total()");
  }

  @Test
  void planAnewAfterAFunctionHasMadeATable() throws Exception {
    database.execute(
        """
        create schema made authorization alice;
        create function made.make() returns void language plpgsql as
        $$ begin execute 'drop table if exists made.stage'; execute 'create table made.stage (a int)'; end $$;
        create function made.read() returns text language plpgsql as
        $$ begin return jsonb_populate_record(null::made.stage, '{"a": 1}')::text; end $$
        """);
    for (int i = 0; i < 5; i++) {
      assertThat(value("select made.make(); select made.read()")).isEqualTo("(1)");
    }
    database.execute("drop schema made cascade");
  }

  @Test
  void planAnewForOtherSettings() throws Exception {
    assertThat(valueWith("set datestyle = 'ISO, MDY'", "select literal()")).isEqualTo("Jan");
    assertThat(valueWith("set datestyle = 'ISO, DMY'", "select literal()")).isEqualTo("Feb");
    assertThat(valueWith("set intervalstyle = 'iso_8601'", "select text_of_interval()"))
        .isEqualTo("P1D");
    assertThat(value("select text_of_interval()")).isEqualTo("1 day");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "set datestyle = 'ISO, DMY'; select literal()",
        "select set_config('datestyle', 'ISO, DMY', false); select literal()",
        "set local datestyle = 'ISO, DMY'; select literal(); set local datestyle = 'ISO, MDY'",
        "do $$ begin set datestyle = 'ISO, DMY'; perform literal(); reset datestyle; end $$",
        "select set_config('datestyle', 'ISO, DMY', false), literal(); select 1/0"
      })
  void planAnewAfterATaskThatHasChangedSettings(String command) throws Exception {
    run(command);
    assertThat(value("select literal()")).isEqualTo("Jan");
  }

  /// A task like the one before is not compared with the session's settings anew.
  @Test
  void haveTheirSettingsWhenTheServerReadsOthers() throws Exception {
    keepPlans();
    try {
      database.execute("alter system set work_mem = '9MB'");
      database.execute("select pg_reload_conf()");
      await()
          .pollInterval(Duration.ofMillis(5))
          .until(() -> database.query("select current_setting('work_mem')").equals("9MB"));
      for (int i = 0; i < 20; i++) {
        assertThat(valueWith("set work_mem = '4MB'", "select current_setting('work_mem')"))
            .isEqualTo("4MB");
      }
    } finally {
      database.execute("alter system reset work_mem");
      database.execute("select pg_reload_conf()");
    }
  }

  @Test
  void planAnewForAnotherRole() throws Exception {
    database.execute(
        """
        create function me() returns text immutable language sql as $$ select current_user::text $$;
        create function who() returns text language plpgsql as $$ begin return me(); end $$
        """);
    assertThat(value("select who()")).isEqualTo("alice");
    assertThat(valueWith("set role team", "select who()")).isEqualTo("team");
    assertThat(value("select who()")).isEqualTo("alice");
    assertThat(run("set role team; select who()").status()).isEqualTo("succeeded");
    assertThat(value("select who()")).isEqualTo("alice");
  }

  @Test
  void showOtherRolesTheirOwnRows() throws Exception {
    database.execute(
        """
        create table guarded (owner name);
        insert into guarded values ('alice'), ('team');
        alter table guarded enable row level security;
        create policy own on guarded for select using (owner = current_user);
        create policy every on guarded for select to pg_monitor using (true);
        grant select on guarded to alice, bob, team;
        create function seen() returns text language plpgsql as
        $$ begin return (select string_agg(owner, ',' order by owner) from guarded); end $$
        """);
    assertThat(value("select seen()")).isEqualTo("alice");
    assertThat(valueWith("set role team", "select seen()")).isEqualTo("team");
    database.execute("grant pg_monitor to bob");
    var of = "select coalesce(seen(), 'nothing')";
    assertThat(value(database.launch("bob", "", of))).isEqualTo("alice,team");
    database.execute("revoke pg_monitor from bob");
    assertThat(value(database.launch("bob", "", of))).isEqualTo("nothing");
    database.execute("alter role bob bypassrls");
    assertThat(value(database.launch("bob", "", of))).isEqualTo("alice,team");
    database.execute("alter role bob nobypassrls");
    assertThat(value(database.launch("bob", "", of))).isEqualTo("nothing");
  }

  @Test
  void planAnewAfterATaskWithATemporaryTable() throws Exception {
    database.execute(
        """
        create function of_table() returns text language plpgsql as
        $$ begin return jsonb_populate_record(null::mine, '{"a": 1}')::text; end $$
        """);
    var command = "do 'begin create temp table mine (a int); end'; select of_table()";
    assertThat(value(command)).isEqualTo("(1)");
    assertThat(value(command)).isEqualTo("(1)");
    database.execute(
        """
        create function make() returns void language plpgsql as $$ begin create temp table mine (a int); end $$
        """);
    assertThat(value("select make(); select of_table()")).isEqualTo("(1)");
    assertThat(value("select make(); select of_table()")).isEqualTo("(1)");
    // and a table of the same name takes its place
    database.execute("create table mine (a text); insert into mine values ('kept')");
    database.execute("grant select on mine to alice");
    database.execute(
        """
        create function read_mine() returns text language plpgsql as $$ begin return (select a::text from mine); end $$
        """);
    assertThat(value("select make(); insert into mine values (2); select read_mine()"))
        .isEqualTo("2");
    assertThat(value("select read_mine()")).isEqualTo("kept");
  }

  @Test
  void planAnewAfterATaskThatHasMadeATypeAnew() throws Exception {
    database.execute(
        """
        create function of_stage() returns text language plpgsql as
        $$ begin return jsonb_populate_record(null::stage, '{"a": 1}')::text; end $$
        """);
    var command = "drop table if exists stage; create table stage (a int); select of_stage()";
    assertThat(value(command)).isEqualTo("(1)");
    assertThat(value(command)).isEqualTo("(1)");
  }

  @Test
  void useTheObjectsOfTheirOwnPath() throws Exception {
    database.execute(
        """
        create schema one; create schema two; grant usage on schema one, two to alice;
        create table one.place as select 'one' as at; create table two.place as select 'two' as at;
        grant select on one.place, two.place to alice;
        create function one.f() returns text language sql as $$ select 'one' $$;
        create function two.f() returns text language sql as $$ select 'two' $$;
        create function public.place() returns text language plpgsql as
        $$ begin return (select at || ' ' || f() from place); end $$
        """);
    assertThat(
            value("select set_config('search_path', 'one, public', true); select public.place()"))
        .isEqualTo("one one");
    assertThat(
            value("select set_config('search_path', 'two, public', true); select public.place()"))
        .isEqualTo("two two");
  }

  /// The functions that begin and end a task are planned in its session too.
  @Test
  void cannotHaveTheWorkersFunctionsPlannedByATask() throws Exception {
    database.execute(
        """
        create schema evil; grant usage on schema evil to alice;
        create function evil.spy(oid, oid) returns boolean language plpgsql as $$ begin raise exception 'spied'; end $$;
        create function evil.spy(text, text) returns boolean language plpgsql as $$ begin raise exception 'spied'; end $$;
        create operator evil.= (leftarg = oid, rightarg = oid, function = evil.spy);
        create operator evil.= (leftarg = text, rightarg = text, function = evil.spy);
        create operator evil.<> (leftarg = text, rightarg = text, function = evil.spy);
        create table evil.forwarded_setting (name text, usual text)
        """);
    for (var local : List.of("true", "false")) {
      var path =
          "select set_config('search_path', 'evil, pg_catalog, public', "
              + local
              + "), count(*) from pgoffload.settings_to_apply('{}')";
      for (int i = 0; i < 7; i++) {
        assertThat(run(path).error()).isNull();
        assertThat(value("select current_setting('search_path')")).isEqualTo("\"$user\", public");
      }
    }
    database.execute("drop schema evil cascade");
  }
}
