package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.awaitRows;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.launcher.Part;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.protocol.Secret;

/// Every part and command, in a database of an odd name, and in one whose administrator has given
/// its sessions all kinds of settings: on the servers of the shared installation, each with a
/// replication slot and topics of its own.
@Timeout(600)
final class AnyDatabaseTest extends OnSharedInstallation {
  private static final EnumSet<Part> PARTS =
      EnumSet.complementOf(EnumSet.of(Part.POSTGRES, Part.KAFKA));

  /// Each would stop a part, or have it misread something.
  private static final List<String> HOSTILE =
      List.of(
          "default_transaction_read_only = on",
          "default_transaction_isolation = serializable",
          "statement_timeout = '1ms'",
          "lock_timeout = '1ms'",
          "idle_in_transaction_session_timeout = '1ms'",
          "idle_session_timeout = '1ms'",
          "transaction_timeout = '1s'",
          "search_path = evil, pg_catalog",
          "role = nobody",
          "row_security = off",
          "synchronous_commit = off",
          "DateStyle = SQL, DMY",
          "IntervalStyle = sql_standard",
          "TimeZone = 'Pacific/Chatham'",
          "bytea_output = escape",
          "extra_float_digits = -15",
          "standard_conforming_strings = off",
          "quote_all_identifiers = on",
          "client_encoding = LATIN1",
          "client_min_messages = error",
          "plan_cache_mode = force_generic_plan",
          "exit_on_error = on");

  @TempDir Path directory;

  @Test
  void settingsOfRolesAndOfTheDatabaseDoNotReachTheParts() throws Exception {
    try (var hostile = OwnDatabase.create(installation, "hostile", "hostile");
        var admin = installation.admin().connect("test")) {
      assertThat(hostile.ran("install")).contains("Installed into");
      execute(admin, "create role nobody");
      for (var role : List.of("producer", "worker", "results")) {
        execute(admin, "grant nobody to pgoffload_" + role);
        for (var setting : HOSTILE) {
          execute(admin, "alter role pgoffload_" + role + " in database hostile set " + setting);
        }
      }
      for (var setting : HOSTILE) {
        execute(admin, "alter role postgres in database hostile set " + setting);
      }
      for (var setting :
          List.of(
              "default_transaction_read_only = on",
              "transaction_timeout = '60s'",
              "search_path = evil",
              "DateStyle = SQL, DMY",
              "session_replication_role = origin",
              "standard_conforming_strings = off")) {
        execute(admin, "alter database hostile set " + setting);
      }
      var environment = hostile.environment();
      environment.put("LLM_PROVIDER", "echo");
      try (var _ = hostile.start(directory.resolve("hostile"), PARTS, environment);
          var asking = hostile.application().connect("test")) {
        doTheirWork(asking);
        assertThat(hostile.ran("install")).contains("Nothing to do");
        assertThat(hostile.ran("status")).contains("capture");
        assertThat(hostile.ran("maintain", "--once")).isNotEmpty();
        assertThat(hostile.ran("rotate-key")).isNotEmpty();
        assertThat(hostile.ran("dead-letters", "list")).isNotNull();
      }
    }
    try (var admin = installation.admin().connect("test")) {
      execute(admin, "drop role nobody");
    }
  }

  @Test
  void aDatabaseOfAnOddNameIsAsAnyOther() throws Exception {
    var name = "My-Db 1'%ü/a+b?c&d=e";
    try (var odd = OwnDatabase.create(installation, name, "odd");
        var admin = odd.admin().connect("test")) {
      execute(admin, "create role \"my 'App\" login password 'p'");
      assertThat(odd.ran("install")).contains("Installed into").contains(name);
      assertThat(odd.ran("install")).contains("Nothing to do");
      assertThat(odd.ran("connector-config")).contains(name.replace("\"", "\\\""));
      assertThat(odd.ran("connector-config", "--format", "properties"))
          .contains("database.dbname=My-Db 1'%\\u00FC/a+b?c&d\\=e");
      execute(admin, "grant llm_user, pgbackground_role to \"my 'App\"");
      var environment = odd.environment();
      environment.put("LLM_PROVIDER", "echo");
      environment
          .keySet()
          .removeIf(
              variable -> variable.matches("PGOFFLOAD_(PRODUCER|WORKER|RESULTS)_DATABASE_URL"));
      // a standby would answer first, were there one: the server that takes writes is used
      var address = odd.admin();
      environment.put(
          "DATABASE_URL",
          new DatabaseAddress(
                  List.of(
                      new DatabaseServer("localhost", 1),
                      new DatabaseServer(address.host(), address.port())),
                  name,
                  address.user(),
                  address.password(),
                  Map.of("sslmode", "disable", "target_session_attrs", "read-write"))
              .uri());
      try (var _ = odd.start(directory.resolve("odd"), PARTS, environment);
          var asking = address.as("my 'App", Secret.of("p")).connect("test")) {
        doTheirWork(asking);
        assertThat(odd.ran("status")).contains("capture");
      }
    }
    try (var admin = installation.admin().connect("test")) {
      execute(admin, "drop role \"my 'App\"");
    }
  }

  private static void doTheirWork(Connection app) throws SQLException {
    assertThat(query(app, "select public.llm_ask('at once')"))
        .containsExactly("[echo, no model] at once");
    execute(app, "set transaction_read_only = off; set default_transaction_read_only = off");
    var id = query(app, "insert into public.llm_request (prompt) values ('later') returning id");
    awaitRows(
        app,
        "select answer from public.llm_response(" + id.getFirst() + ")",
        "[echo, no model] later");
    var task =
        query(
            app,
            "insert into public.sql_request (command) values ('select 1.5::float8 as x, now() as y')"
                + " returning id");
    await()
        .atMost(PATIENCE)
        // it says so while it runs
        .ignoreExceptionsInstanceOf(SQLException.class)
        .until(() ->
            query(app, "select public.sql_rows_json(" + task.getFirst() + ")->>'x'")
                .equals(List.of("1.5")));
  }
}
