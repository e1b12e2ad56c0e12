package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.launcher.LocalInstallation;
import org.pgoffload.dev.launcher.LocalOptions;
import org.pgoffload.dev.launcher.Part;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.platform.Settings;
import org.pgoffload.protocol.Secret;

/// Every part and command, in a database of an odd name, and in one whose administrator has given
/// its sessions all kinds of settings: on the servers of the shared installation, each with a
/// replication slot and topics of its own.
@Timeout(600)
final class AnyDatabaseTest extends OnSharedInstallation {
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

  private Connection admin;

  @BeforeEach
  void connectAsAdministrator() throws SQLException {
    admin = installation.admin().connect("test");
  }

  @AfterEach
  void disconnectAdministrator() throws SQLException {
    admin.close();
  }

  @Test
  void settingsOfRolesAndOfTheDatabaseDoNotReachTheParts() throws Exception {
    execute(admin, "create database hostile");
    var address = installation.admin().in("hostile");
    var options = options(address, "hostile");
    assertThat(ran(options, "install")).contains("Installed into");
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
    var environment = environment("hostile", "hostile");
    for (var part : List.of("PRODUCER", "WORKER", "RESULTS")) {
      environment.computeIfPresent(
          "PGOFFLOAD_" + part + "_DATABASE_URL",
          (_, url) -> DatabaseAddress.parse(url).in("hostile").uri());
    }
    environment.put("DATABASE_URL", address.uri());
    try (var _ = parts(environment);
        var hostile = installation.application().in("hostile").connect("test")) {
      doTheirWork(hostile);
      assertThat(ran(options, "install")).contains("Nothing to do");
      assertThat(ran(options, "status")).contains("capture");
      assertThat(ran(options, "maintain", "--once")).isNotEmpty();
      assertThat(ran(options, "rotate-key")).isNotEmpty();
      assertThat(ran(options, "dead-letters", "list")).isNotNull();
    }
    remove("hostile", "hostile");
    execute(admin, "drop role nobody");
  }

  @Test
  void aDatabaseOfAnOddNameIsAsAnyOther() throws Exception {
    var name = "My-Db 1'%ü/a+b?c&d=e";
    var address = installation.admin().in(name);
    execute(admin, "create database \"" + name + "\"");
    execute(admin, "create role \"my 'App\" login password 'p'");
    var options = options(address, "odd");
    assertThat(ran(options, "install")).contains("Installed into").contains(name);
    assertThat(ran(options, "install")).contains("Nothing to do");
    assertThat(ran(options, "connector-config")).contains(name.replace("\"", "\\\""));
    assertThat(ran(options, "connector-config", "--format", "properties"))
        .contains("database.dbname=My-Db 1'%\\u00FC/a+b?c&d\\=e");
    var environment = environment(name, "odd");
    environment
        .keySet()
        .removeIf(variable -> variable.matches("PGOFFLOAD_(PRODUCER|WORKER|RESULTS)_DATABASE_URL"));
    // a standby would answer first, were there one: the server that takes writes is used
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
    try (var _ = parts(environment);
        var odd = address.connect("test");
        var asking = address.as("my 'App", Secret.of("p")).connect("test")) {
      execute(odd, "grant llm_user, pgbackground_role to \"my 'App\"");
      doTheirWork(asking);
      assertThat(ran(options, "status")).contains("capture");
    }
    remove(name, "odd");
    execute(admin, "drop role \"my 'App\"");
  }

  /// Of parts in another database.
  private Map<String, String> environment(String database, String name) {
    var environment = new TreeMap<>(installation.joiningEnvironment());
    environment.put("LLM_PROVIDER", "echo");
    environment.put("PGOFFLOAD_TOPIC_PREFIX", name);
    environment.put("PGOFFLOAD_SLOT", name);
    environment.computeIfPresent(
        Settings.TASK_DATABASE,
        (_, url) ->
            url.replace(
                "/app?",
                "/"
                    + URLEncoder.encode(database, StandardCharsets.UTF_8).replace("+", "%20")
                    + "?"));
    return environment;
  }

  private LocalInstallation parts(Map<String, String> environment) throws InterruptedException {
    var servers = EnumSet.of(Part.POSTGRES, Part.KAFKA);
    return LocalInstallation.start(
        new LocalOptions(
            directory.resolve("parts"), true, 0, 0, EnumSet.complementOf(servers), environment),
        _ -> {});
  }

  /// The walsender may go on for a moment after its producer.
  private void remove(String database, String slot) {
    await()
        .atMost(PATIENCE)
        .ignoreExceptionsInstanceOf(SQLException.class)
        .untilAsserted(() -> execute(admin, "select pg_drop_replication_slot('" + slot + "')"));
    await()
        .atMost(PATIENCE)
        .ignoreExceptionsInstanceOf(SQLException.class)
        .untilAsserted(() -> execute(admin, "drop database \"" + database + "\" with (force)"));
  }

  private String[] options(DatabaseAddress address, String name) {
    return new String[] {
      "--database-url",
      address.uri(),
      "--kafka",
      installation.kafkaBootstrap(),
      "--topic-prefix",
      name,
      "--slot",
      name
    };
  }

  private static void doTheirWork(Connection app) throws SQLException {
    assertThat(query(app, "select public.llm_ask('at once')"))
        .containsExactly("[echo, no model] at once");
    execute(app, "set transaction_read_only = off; set default_transaction_read_only = off");
    var id = query(app, "insert into public.llm_request (prompt) values ('later') returning id");
    await()
        .atMost(PATIENCE)
        .until(() ->
            query(app, "select answer from public.llm_response(" + id.getFirst() + ")")
                .equals(List.of("[echo, no model] later")));
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

  private static String ran(String[] options, String... command) {
    var ran =
        Command.run(Stream.concat(Stream.of(command), Stream.of(options)).toArray(String[]::new));
    assertThat(ran.errors() + ran.output()).satisfies(_ -> assertThat(ran.status()).isZero());
    return ran.output();
  }
}
