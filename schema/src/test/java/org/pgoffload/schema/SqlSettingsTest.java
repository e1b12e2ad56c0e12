package org.pgoffload.schema;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// A task's session is what its launcher's was.
final class SqlSettingsTest extends WithSqlWorker {
  /// The value of a setting in a task that is launched now.
  private String inTask(String setting) {
    ann.run("select pg_catalog.set_config('role', pg_catalog.current_setting('role'), false)");
    ann.run("select public.pg_background_launch('x')");
    try (var task = worker.begin(database.onlySent())) {
      return String.valueOf(
          task.session().value("select pg_catalog.current_setting(?, true)", setting));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "set work_mem = '17MB' | work_mem | 17MB",
        "begin; set local work_mem = '18MB' | work_mem | 18MB",
        "set search_path = 'odd \"path', public | search_path | \"odd \"\"path\", public",
        "set search_path = '' | search_path | \"\"",
        "set timezone = 'Asia/Kolkata' | TimeZone | Asia/Kolkata",
        "set time zone interval '-02:30' hour to minute | TimeZone | <-02:30>+02:30",
        "set intervalstyle = 'iso_8601' | IntervalStyle | iso_8601",
        "set statement_timeout = '1234s' | statement_timeout | 1234s",
        "set statement_timeout = 0 | statement_timeout | 0",
        "set lock_timeout = '3s' | lock_timeout | 3s",
        "set bytea_output = 'escape' | bytea_output | escape",
        "set row_security = off | row_security | off",
        "set default_transaction_isolation = 'serializable' | default_transaction_isolation | read committed",
        "set default_transaction_read_only = on | default_transaction_read_only | off",
        "set application_name = 'mine' | client_encoding | UTF8",
        "set pgoffload.forward_settings = 'app.tenant,app.other'; set app.tenant = 't''1' | app.tenant | t'1",
        "set pgoffload.forward_settings = 'app.tenant'; set app.tenant = 't1' | pgoffload.forward_settings | app.tenant",
        "set app.tenant = 't1' | app.tenant | null",
        "set llm.model = 'm' | llm.model | m",
        "set pg_background.worker_timeout = '5 s' | pg_background.worker_timeout | 5 s",
        "set pgoffload.forward_settings = 'PGOFFLOAD.children'; set pgoffload.children = 5 | pgoffload.children | null"
      })
  void takesOver(String statement, String setting, String expected) {
    ann.run(statement);
    assertThat(inTask(setting)).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {"SQL, DMY | ISO, DMY", "German | ISO, DMY", "Postgres, YMD | ISO, YMD"})
  void takesOverTheOrderOfDayAndMonth(String style, String expected) {
    // the driver minds a style that outlives the statement
    ann.run(
        "do $$begin set datestyle = '%s'; perform pg_background_launch('x'); reset datestyle; end$$"
            .formatted(style));
    try (var task = worker.begin(database.onlySent())) {
      assertThat(task.session().value("show datestyle")).isEqualTo(expected);
    }
  }

  @Test
  void isNotWhatTheLoginHasByDefault() {
    database
        .admin()
        .run(
            """
            alter role ann set work_mem = '99MB';
            alter role ann set search_path = 'nowhere';
            alter role ann set llm.model = 'default';
            alter role ann set app.tenant = 'default';
            alter role ann set default_transaction_read_only = on;
            alter role ann set default_transaction_isolation = 'serializable';
            alter role ann set statement_timeout = '99s';
            alter role ann set role = 'bea';
            grant bea to ann
            """);
    try {
      assertThat(inTask("work_mem")).isEqualTo("4MB");
      assertThat(inTask("search_path")).isEqualTo("\"$user\", public");
      assertThat(inTask("statement_timeout")).isEqualTo("20s");
      assertThat(inTask("default_transaction_read_only")).isEqualTo("off");
      assertThat(inTask("transaction_isolation")).isEqualTo("read committed");
      assertThat(inTask("llm.model")).isEmpty();
      assertThat(inTask("role")).isEqualTo("none");
    } finally {
      database.admin().run("alter role ann reset all; revoke bea from ann");
    }
  }

  @Test
  void sendsNoSettingThatNobodyHasChanged() {
    ann.run("reset all; select pg_background_launch('x')");
    var settings = database.onlySent().envelope().payload().path("settings");
    for (var pinned : List.of("search_path", "jit", "statement_timeout", "synchronous_commit")) {
      assertThat(settings.has(pinned)).as(pinned + " in " + settings).isFalse();
    }
  }

  @Test
  void beginsWhateverTheRoleOrTheDatabaseHasSet() {
    var settings =
        new ArrayList<>(
            List.of(
                "default_transaction_read_only = on",
                "default_transaction_isolation = 'serializable'",
                "default_transaction_deferrable = on",
                "statement_timeout = '1ms'",
                "lock_timeout = '1ms'",
                "idle_in_transaction_session_timeout = '1ms'",
                "idle_session_timeout = '1ms'",
                "search_path = 'nowhere'",
                "\"DateStyle\" = 'German'"));
    if (database.isAtLeast(17)) {
      settings.add("transaction_timeout = '1ms'");
    }
    var here = "database " + database.address().database();
    try {
      for (var owner : List.of(here, "role ann", "role ann in " + here)) {
        ann.run("select pg_background_launch('x')");
        var request = database.onlySent();
        var claim = worker.claim(request);
        settings.forEach(
            setting -> database.admin().run("alter %s set %s".formatted(owner, setting)));
        try (var task = PlayedTask.login(database, request, claim)) {
          var before = defaults(task);
          task.session().run("discard all");
          assertThat(defaults(task))
              .isEqualTo(before)
              .isEqualTo(
                  "0|0|0|0|off|off|read committed|ISO, MDY" + (database.isAtLeast(17) ? "|0" : ""));
          task.enter();
          assertThat(task.session().value("show search_path")).isEqualTo("\"$user\", public");
        }
        database.admin().run("alter %s reset all".formatted(owner));
      }
    } finally {
      database.admin().run("alter %s reset all; alter role ann reset all".formatted(here));
    }
  }

  private static String defaults(PlayedTask task) {
    return String.valueOf(
        task.session()
            .value(
                """
                select concat_ws('|', current_setting('statement_timeout'), current_setting('lock_timeout'),
                  current_setting('idle_in_transaction_session_timeout'), current_setting('idle_session_timeout'),
                  current_setting('default_transaction_read_only'), current_setting('default_transaction_deferrable'),
                  current_setting('default_transaction_isolation'), current_setting('DateStyle'),
                  current_setting('transaction_timeout', true))
                """));
  }

  @Test
  void setsTheRole() {
    try (var chief = database.open("chief")) {
      chief.run("set role ann; select pg_background_launch('x')");
      try (var task = worker.begin(database.onlySent())) {
        assertThat(
                task.session().rows("select current_user, session_user, current_setting('role')"))
            .containsExactly("ann|chief|ann");
        // nothing more is reached than the login has
        assertThat(task.session().refused("set role postgres").state()).isEqualTo("42501");
        task.session().run("rollback; begin; reset role");
        assertThat(task.session().refused("set session authorization postgres").state())
            .isEqualTo("42501");
      }
    }
  }

  @Test
  void takesTheTransactionsTimeoutOverAndEndsItWithTheTask() {
    if (!database.isAtLeast(17)) {
      return;
    }
    ann.run("set transaction_timeout = '77s'");
    ann.run("select pg_background_launch('x')");
    try (var task = worker.begin(database.onlySent())) {
      assertThat(task.session().value("select current_setting('transaction_timeout')"))
          .isEqualTo("77s");
      task.session().run("select pgoffload.leave_task()");
      assertThat(task.session().value("select current_setting('transaction_timeout')"))
          .isEqualTo("0");
    }
  }

  @Test
  void fillsTheSettingsOfAnInsertedRequestToo() {
    ann.run("set work_mem = '21MB'");
    ann.run("insert into sql_request (command) values ('x')");
    try (var task = worker.begin(database.onlySent())) {
      assertThat(task.session().value("show work_mem")).isEqualTo("21MB");
      assertThat(task.session().value("show application_name")).startsWith("pg_background:");
    }
    assertThat(
            ann.value("select settings ->> 'work_mem' from sql_request order by id desc limit 1"))
        .isEqualTo("21MB");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"work_mem\": \"lots\"} | 22023 | invalid value for parameter \"work_mem\"",
        "{\"plpgsql.variable_conflict\": \"x\"} | 42501 | permission denied to set parameter",
        "{\"TimeZone\": \"Nowhere\"} | 22023 | invalid value for parameter \"TimeZone\""
      })
  void saysWhichSettingCannotBe(String settings, String state, String message) {
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    var claim = worker.claim(request);
    try (var task = PlayedTask.login(database, request, claim)) {
      var error =
          task.session()
              .refused(
                  PlayedTask.ENTER, request.id(), task.attempt(), task.token(), settings, "a", 0);
      assertThat(error.state()).isEqualTo(state);
      assertThat(error.message()).startsWith(message);
    }
  }

  @Test
  void forwardsNoSettingThatShowsThePlansOfOthersFunctions() {
    assertThat(
            database
                .admin()
                .rows("select name from pgoffload.forwarded_setting where name ~ '^debug_print_'"))
        .isEmpty();
  }

  @Test
  void ignoresASettingThatTheServerDoesNotKnowAnyMore() {
    database.admin().run("insert into pgoffload.forwarded_setting values ('gone_setting', 'off')");
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    assertThat(request.envelope().payload().path("settings").has("gone_setting")).isFalse();
    var claim = worker.claim(request);
    try (var task = PlayedTask.login(database, request, claim)) {
      task.session()
          .run(
              PlayedTask.ENTER,
              request.id(),
              task.attempt(),
              task.token(),
              "{\"gone_setting\": \"on\"}",
              "a",
              0);
      assertThat(task.session().value("select current_setting('gone_setting', true)")).isNull();
      assertThat(task.session().number("select task from pgoffload.current_task()"))
          .isEqualTo(request.id());
    }
    database.admin().run("delete from pgoffload.forwarded_setting where name = 'gone_setting'");
  }

  @Test
  void doesNotShowTheTokenInAnErrorsContext() {
    ann.run("set log_parameter_max_length_on_error = -1");
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    assertThat(
            request.envelope().payload().path("settings").has("log_parameter_max_length_on_error"))
        .isFalse();
    var claim = worker.claim(request);
    database.admin().run("alter role ann set log_parameter_max_length_on_error = -1");
    try (var task = PlayedTask.login(database, request, claim);
        var statement = task.session().connection().prepareStatement(PlayedTask.ENTER)) {
      var arguments =
          new Object[] {
            request.id(), task.attempt(), task.token(), "{\"work_mem\": \"x\"}", "a", 0
          };
      for (int i = 0; i < arguments.length; i++) {
        statement.setObject(i + 1, arguments[i]);
      }
      statement.execute();
      throw new AssertionError("a bad setting was taken");
    } catch (java.sql.SQLException e) {
      assertThat(
              requireNonNull(((org.postgresql.util.PSQLException) e).getServerErrorMessage())
                  .getWhere())
          .contains("enter_task")
          .doesNotContain(claim.path("token").asText());
    } finally {
      database.admin().run("alter role ann reset all");
    }
  }

  @Test
  void entersOnlyWithTheTokenOfItsClaimAndOnlyTheLastAttempt() {
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    var claim = worker.claim(request);
    try (var task = PlayedTask.login(database, request, claim)) {
      for (var token : List.of("00000000-0000-0000-0000-000000000000")) {
        var error = task.session().refused(PlayedTask.ENTER, request.id(), 1, token, "{}", "a", 0);
        assertThat(error.state()).isEqualTo("42501");
      }
      worker.releaseLease();
      try (var second = database.sqlWorker("second")) {
        assertThat(second.claim(request).path("attempt").asInt()).isEqualTo(2);
      }
      assertThat(
              task.session()
                  .refused(PlayedTask.ENTER, request.id(), 1, task.token(), "{}", "a", 0)
                  .state())
          .isEqualTo("PO002");
    }
  }

  @Test
  void entersWhileSomebodyElseHoldsItsLock() {
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    try (var bea = database.open("bea")) {
      // the task cannot have it then
      bea.run("select pg_advisory_lock(1885826918, pgoffload.pid_of(" + request.id() + "))");
      try (var task = worker.begin(request)) {
        assertThat(task.session().number("select task from pgoffload.current_task()"))
            .isEqualTo(request.id());
        assertThat(
                database
                    .admin()
                    .rows(
                        "select pid from pg_locks where locktype = 'advisory' and granted"
                            + " and classid = 1885826918"))
            .containsExactly(Long.toString(bea.number("select pg_backend_pid()")));
      }
    }
  }
}
