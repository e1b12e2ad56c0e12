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
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.launcher.LocalInstallation;
import org.pgoffload.dev.launcher.LocalOptions;
import org.pgoffload.dev.launcher.Part;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.protocol.Secret;

/// Every part and command, in a database of an odd name, and in one whose administrator has given
/// its sessions all kinds of settings.
@Timeout(600)
final class AnyDatabaseTest {
  private static final Map<String, String> ECHO = Map.of("LLM_PROVIDER", "echo");
  private static final Duration PATIENCE = Duration.ofMinutes(2);

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
    try (var first = local(directory, EnumSet.allOf(Part.class), ECHO);
        var admin = first.admin().in("postgres").connect("test")) {
      execute(admin, "create role nobody");
      for (var role : List.of("producer", "worker", "results")) {
        execute(admin, "grant nobody to pgoffload_" + role);
        for (var setting : HOSTILE) {
          execute(admin, "alter role pgoffload_" + role + " set " + setting);
        }
      }
      for (var setting : HOSTILE) {
        execute(admin, "alter role postgres in database app set " + setting);
      }
      for (var setting :
          List.of(
              "default_transaction_read_only = on",
              "transaction_timeout = '60s'",
              "search_path = evil",
              "DateStyle = SQL, DMY",
              "session_replication_role = origin",
              "standard_conforming_strings = off")) {
        execute(admin, "alter database app set " + setting);
      }
    }
    try (var installation = local(directory, EnumSet.allOf(Part.class), ECHO);
        var app = installation.application().connect("test")) {
      doTheirWork(app);
      var arguments =
          new String[] {
            "--database-url", installation.admin().uri(), "--kafka", installation.kafkaBootstrap()
          };
      assertThat(ran(arguments, "install")).contains("Nothing to do");
      assertThat(ran(arguments, "status")).contains("capture");
      assertThat(ran(arguments, "maintain", "--once")).isNotEmpty();
      assertThat(ran(arguments, "rotate-key")).isNotEmpty();
      assertThat(ran(arguments, "dead-letters", "list")).isNotNull();
    }
  }

  @Test
  void aDatabaseOfAnOddNameIsAsAnyOther() throws Exception {
    var name = "My-Db 1'%ü/a+b?c&d=e";
    try (var servers =
        local(directory.resolve("servers"), EnumSet.of(Part.POSTGRES, Part.KAFKA), Map.of())) {
      var address = servers.admin().in(name);
      try (var admin = servers.admin().connect("test")) {
        execute(admin, "create database \"" + name + "\"");
        execute(admin, "select pg_drop_replication_slot('pgoffload')");
        execute(admin, "create role \"my 'App\" login password 'p'");
      }
      var arguments =
          new String[] {
            "--database-url",
            address.uri(),
            "--kafka",
            servers.kafkaBootstrap(),
            "--topic-prefix",
            "odd"
          };
      assertThat(ran(arguments, "install")).contains("Installed into").contains(name);
      assertThat(ran(arguments, "install")).contains("Nothing to do");
      assertThat(ran(arguments, "connector-config")).contains(name.replace("\"", "\\\""));
      assertThat(ran(arguments, "connector-config", "--format", "properties"))
          .contains("database.dbname=My-Db 1'%\\u00FC/a+b?c&d\\=e");
      var environment = new TreeMap<>(servers.joiningEnvironment());
      environment.keySet().removeIf(variable -> variable.matches("PGOFFLOAD_.*_DATABASE_URL"));
      environment.putAll(ECHO);
      environment.put("PGOFFLOAD_TOPIC_PREFIX", "odd");
      // a standby would answer first, were there one: the server that takes writes is used
      environment.put(
          "DATABASE_URL",
          new DatabaseAddress(
                  List.of(
                      new DatabaseServer("localhost", 1),
                      new DatabaseServer("127.0.0.1", address.port())),
                  name,
                  address.user(),
                  address.password(),
                  Map.of("sslmode", "disable", "target_session_attrs", "read-write"))
              .uri());
      environment.put("PGOFFLOAD_SQL_DATABASE_URL", tasks(servers, name));
      try (var _ =
              local(
                  directory.resolve("parts"),
                  EnumSet.of(Part.PRODUCER, Part.WORKER, Part.RESULTS, Part.MAINTENANCE),
                  environment);
          var admin = address.connect("test");
          var app = address.as("my 'App", Secret.of("p")).connect("test")) {
        execute(admin, "grant llm_user, pgbackground_role to \"my 'App\"");
        doTheirWork(app);
        assertThat(ran(arguments, "status")).contains("capture");
      }
    }
  }

  private static String tasks(LocalInstallation servers, String database) {
    var url = servers.joiningEnvironment().get("PGOFFLOAD_SQL_DATABASE_URL");
    return String.valueOf(url)
        .replace(
            "/app?",
            "/" + URLEncoder.encode(database, StandardCharsets.UTF_8).replace("+", "%20") + "?");
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

  private static LocalInstallation local(
      Path directory, EnumSet<Part> parts, Map<String, String> environment)
      throws InterruptedException {
    return LocalInstallation.start(
        new LocalOptions(directory, true, 0, 0, parts, environment), _ -> {});
  }
}
