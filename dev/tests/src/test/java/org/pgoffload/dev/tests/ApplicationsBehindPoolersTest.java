package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.awaitRows;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;
import static org.pgoffload.dev.tests.Sql.value;

import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.TimeZone;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.servers.PgBouncer;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Secret;

/// Applications behind PgBouncer in its transaction mode, whose clients of a role share one session
/// of the server. Where there is no PgBouncer, they are skipped.
class ApplicationsBehindPoolersTest extends OnSharedInstallation {
  private static final Secret PASSWORD = Secret.of("not a secret");

  private static PgBouncer pooler;
  private static DatabaseAddress pia;
  private static DatabaseAddress quin;

  /// Two clients of pia, and one of quin.
  private Connection first;

  private Connection second;
  private Connection other;

  @BeforeAll
  static void start(SharedInstallation shared) throws SQLException, IOException {
    var installation = shared.installation();
    pia = installation.application().as("pia", PASSWORD);
    quin = installation.application().as("quin", PASSWORD);
    pooler = PgBouncer.start("transaction", 1, "", pia, quin);
    try (var admin = installation.admin().connect("test")) {
      for (var role : List.of("pia", "quin")) {
        execute(
            admin,
            """
            create role %1$s login password 'not a secret';
            grant llm_user, pgbackground_role to %1$s;
            alter role %1$s set pgoffload.pooling = 'transaction';
            """
                .formatted(role));
      }
    }
  }

  @AfterAll
  static void stop() {
    // not where the class is skipped
    if (pooler != null) {
      pooler.close();
    }
  }

  @BeforeEach
  void connectClients() throws SQLException {
    first = pooler.address(pia).connect("first");
    second = pooler.address(pia).connect("second");
    other = pooler.address(quin).connect("other");
    assertThat(value(second, "select pg_backend_pid()"))
        .as("one session of the server")
        .isEqualTo(value(first, "select pg_backend_pid()"));
  }

  @AfterEach
  void disconnectClients() throws SQLException {
    for (var client : List.of(first, second, other)) {
      assertThat(
              query(
                  client,
                  """
                  select name from unnest(array['attached', 'left', 'launched', 'submitted', 'timed_out', 'session']) name
                  where current_setting('pgoffload.' || name, true) <> ''
                  union all select 'lock' from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()
                  union all select name from pg_prepared_statements
                  union all select name from pg_cursors where name <> ''
                  union all select relname from pg_class where relnamespace = pg_my_temp_schema()
                  """))
          .as("left behind for the next client")
          .isEmpty();
      client.close();
    }
  }

  // models

  @Test
  void insertedRequestsAreAnsweredAndPolledByWhicheverClient() throws SQLException {
    var id = value(first, "insert into llm_request (prompt) values ('pooled') returning id");
    var others = value(other, "select llm_submit('of quin', tags => '{\"a\": 1}')");
    awaitRows(second, "select llm_status(" + id + ")", "succeeded");
    assertThat(value(second, "select llm_result(" + id + ")")).isEqualTo("stub answer to: pooled");
    assertThat(waitFor(other, others)).isEqualTo("succeeded");
    // a role sees its own
    assertRaises(first, "42704", "does not exist", "select llm_result(" + others + ")");
    assertRaises(other, "42704", "does not exist", "select llm_result(" + id + ")");
  }

  @Test
  void eachWayToAskIsOneStatement() throws SQLException {
    assertThat(value(first, "select llm_ask('once')")).isEqualTo("stub answer to: once");
    assertThat(query(second, "select answer from llm_ask_many('{many 1,many 2}') order by ord"))
        .containsExactly("stub answer to: many 1", "stub answer to: many 2");
    assertThat(value(other, "select llm_ask_json('json', '{\"type\": \"object\"}') ->> 'city'"))
        .isEqualTo("Paris");
    assertThat(value(first, "select cardinality(llm_embed('pooled', dimensions => 5))"))
        .isEqualTo("5");
    first.setAutoCommit(false);
    execute(first, "set local llm.timeout = '30 s'");
    assertThat(value(first, "select llm_ask('twice')")).isEqualTo("stub answer to: twice");
    first.commit();
    first.setAutoCommit(true);
  }

  @Test
  void streamsCancelsAndRepeats() throws SQLException {
    var story =
        value(first, "select llm_submit('a pooled story', options => '{\"stream\": true}')");
    assertThat(waitFor(second, story)).isEqualTo("succeeded");
    assertThat(
            value(first, "select string_agg(text, '' order by seq) from llm_stream(" + story + ")"))
        .isEqualTo("stub answer to: a pooled story");

    var silent = value(first, "select llm_submit('silence, pooled')");
    awaitRows(second, "select llm_status(" + silent + ")", "running");
    assertThat(value(second, "select status from llm_wait(array[" + silent + "::bigint], '50 ms')"))
        .isEqualTo("running");
    assertThat(value(second, "select llm_cancel(" + silent + ")")).isEqualTo("t");
    assertThat(waitFor(first, silent)).isEqualTo("cancelled");
    var again = value(second, "select llm_retry(" + silent + ")");
    assertThat(value(first, "select llm_cancel(" + again + ")")).isEqualTo("t");
  }

  // background SQL

  @Test
  void launchAndResultInOneStatementOrTransaction() throws SQLException {
    assertThat(
            value(
                first,
                "select n from pg_background_result(pg_background_launch('select 7')) as (n int)"))
        .isEqualTo("7");
    first.setAutoCommit(false);
    var pid = value(first, "select pg_background_launch('select 8')");
    assertThat(value(first, "select n from pg_background_result(" + pid + ") as (n int)"))
        .isEqualTo("8");
    first.commit();
    first.setAutoCommit(true);
  }

  @Test
  void aPidAloneIsOfItsTransaction() throws SQLException {
    var pid = value(first, "select pg_background_launch('select 9')");
    for (var client : List.of(first, second, other)) {
      assertThatThrownBy(
              () -> query(client, "select n from pg_background_result(" + pid + ") as (n int)"))
          .hasMessageContaining("PID " + pid + " is not attached to this session")
          .hasMessageContaining("(pid, cookie)");
    }
  }

  @Test
  void aHandleIsGoodInEachTransactionOfItsRole() throws SQLException {
    var handle = handle(first, "select 10");
    // it is on its way
    assertThat(value(first, "select sql_status(" + cookie(handle) + ")"))
        .isIn("queued", "running", "succeeded");
    assertThat(value(second, "select pg_background_wait" + with(handle, "0"))).isEqualTo("t");
    for (int i = 0; i < 2; i++) {
      // what one client has read or detached, the next one reads
      assertThat(value(second, "select n from pg_background_result" + handle + " as (n int)"))
          .isEqualTo("10");
      execute(first, "select pg_background_detach" + handle);
    }
    assertThat(value(first, "select (pg_background_outcome" + handle + ").command_tag"))
        .isEqualTo("SELECT 1");
    assertThat(value(second, "select * from sql_rows(" + cookie(handle) + ") as (n int)"))
        .isEqualTo("10");
    assertRaises(
        other,
        "42704",
        "not attached",
        "select * from pg_background_result" + handle + " as (n int)");
  }

  @Test
  void aHandleWaitsForAsLongAsNoWorkerHasHeardOfItsTask() throws SQLException {
    // an id that was given out, and whose request is in no table
    var id = value(first, "select nextval('pgoffload.request_id')");
    var handle = value(app, "select (pgoffload.pid_of(" + id + "), " + id + ")");
    assertThat(value(second, "select pg_background_wait" + with(handle, "1200"))).isEqualTo("f");
    assertThat(state(first, handle)).isEqualTo("starting");
    // an id alone may be that of an INSERT that was rolled back
    assertRaises(second, "42704", "does not exist", "select sql_status(" + id + ")");
    // of a session of one client, an id that it has not launched is unknown after a second
    assertRaises(app, "42704", "does not exist", "select sql_status(" + id + ")");
    assertRaises(app, "42704", "not attached", "select pg_background_wait" + with(handle, "1200"));
  }

  @Test
  void whatIsOfTheSessionIsOfTheTransaction() throws SQLException {
    var handle = handle(first, "select pg_sleep(60)");
    await().atMost(PATIENCE).until(() -> state(second, handle).equals("running"));
    for (var client : List.of(second, other)) {
      assertThat(value(client, "select pg_background_cancel_all()")).isEqualTo("0");
      assertThat(value(client, "select pg_background_detach_all()")).isEqualTo("0");
      assertThat(value(client, "select pg_background_purge()")).isEqualTo("0");
      assertThat(value(client, "select workers_launched from pg_background_stats()"))
          .isEqualTo("0");
    }
    // nothing says whether there is such a task of another role
    execute(other, "select pg_background_cancel" + handle);
    try (var admin = installation.admin().connect("test")) {
      var denied = "select count(*) from pgoffload.cancellation where id = " + cookie(handle);
      await().atMost(PATIENCE).until(() -> value(admin, denied).equals("1"));
    }
    assertThat(state(second, handle)).isEqualTo("running");
    execute(second, "select pg_background_cancel" + handle);
    await().atMost(PATIENCE).until(() -> state(first, handle).equals("canceled"));

    second.setAutoCommit(false);
    execute(second, "select pg_background_launch('select pg_sleep(60)')");
    assertThat(value(second, "select workers_launched from pg_background_stats()")).isEqualTo("1");
    assertThat(value(second, "select pg_background_cancel_all()")).isEqualTo("1");
    second.commit();
    second.setAutoCommit(true);
  }

  @Test
  void theOtherFormsAreOneStatement() throws SQLException {
    assertThat(value(first, "select (pg_background_run('select 11')).command_tag"))
        .isEqualTo("SELECT 1");
    assertThat(
            value(
                second,
                "select (pg_background_run('select pg_sleep(60)', timeout_ms => 100)).timed_out"))
        .isEqualTo("t");
    assertThat(
            value(
                first,
                "select n from pg_background_run_query('select 12', col_def => 'n int') as (n int)"))
        .isEqualTo("12");
    var handles = List.of(handle(first, "select 13"), handle(second, "select 14"));
    var array = "array[" + String.join(", ", handles) + "]::pg_background_handle[]";
    assertThat(value(second, "select (pg_background_wait_any(" + array + ")).cookie")).isNotNull();
    assertThat(query(second, "select command_tag from pg_background_drain(" + array + ")"))
        .containsExactly("SELECT 1", "SELECT 1");
    var submitted = value(first, "select pg_background_submit('select 15')");
    assertRaises(
        second,
        "0A000",
        "results are disabled",
        "select * from pg_background_result" + submitted + " as (n int)");
    var inserted =
        value(second, "insert into sql_request (command) values ('select 16') returning id");
    assertThat(waitFor(first, inserted)).isEqualTo("succeeded");
  }

  @Test
  void theParametersOfAClientGoWithItsTasks() throws SQLException {
    var usual = TimeZone.getDefault();
    // the driver tells it at the login, and PgBouncer sets it for each transaction of the client
    TimeZone.setDefault(TimeZone.getTimeZone("Asia/Tokyo"));
    try (var far = pooler.address(pia).connect("far")) {
      var zone =
          "select z from pg_background_result(pg_background_launch('show timezone')) as (z text)";
      assertThat(value(far, zone)).isEqualTo("Asia/Tokyo");
      assertThat(value(first, zone)).isNotEqualTo("Asia/Tokyo");
    } finally {
      TimeZone.setDefault(usual);
    }
  }

  @Test
  void statementsAloneServeInStatementMode() throws Exception {
    try (var statements = PgBouncer.start("statement", 1, "", pia);
        var client = statements.address(pia).connect("test")) {
      assertThat(value(client, "select llm_ask('alone')")).isEqualTo("stub answer to: alone");
      var handle = handle(client, "select 17");
      assertThat(value(client, "select n from pg_background_result" + handle + " as (n int)"))
          .isEqualTo("17");
    }
  }

  @Test
  void aTaskHasItsSessionForItself() throws SQLException {
    assertThat(
            value(
                first,
                "select s from pg_background_result(pg_background_launch("
                    + "'select current_setting(''pgoffload.pooling'')')) as (s text)"))
        .isEqualTo("session");
  }

  // a pooler of which the roles' settings do not tell

  @Test
  void anotherRoleOfASharedSessionIsLeftAlone() throws Exception {
    try (var admin = installation.admin().connect("test")) {
      execute(admin, "create role guest; grant pgbackground_role to guest; grant guest to app");
    }
    try (var untold = PgBouncer.start("transaction", 1, "", installation.application());
        var one = untold.address(installation.application()).connect("test");
        var two = untold.address(installation.application()).connect("test")) {
      two.setAutoCommit(false);
      var handle = handle(one, "select pg_sleep(60)");
      execute(two, "set local role guest");
      assertThat(value(two, "select pg_background_cancel_all()")).isEqualTo("0");
      assertThat(value(two, "select pg_background_detach_all()")).isEqualTo("0");
      two.commit();
      assertThat(value(one, "select pg_background_wait" + with(handle, "1"))).isEqualTo("f");
      execute(one, "select pg_background_cancel" + handle);
    }
  }

  private static String handle(Connection client, String command) throws SQLException {
    return value(client, "select pg_background_launch_v2('" + command + "')");
  }

  private static String cookie(String handle) {
    return handle.substring(handle.indexOf(',') + 1, handle.length() - 1);
  }

  private static String with(String handle, String argument) {
    return handle.substring(0, handle.length() - 1) + ", " + argument + ")";
  }

  private static String state(Connection client, String handle) throws SQLException {
    return String.valueOf(value(client, "select (pg_background_outcome" + handle + ").state"));
  }
}
