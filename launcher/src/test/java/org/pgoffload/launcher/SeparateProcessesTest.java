package org.pgoffload.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.launcher.Sql.execute;
import static org.pgoffload.launcher.Sql.query;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.schema.DatabaseAddress;
import org.pgoffload.worker.llm.stub.StubReply;
import org.pgoffload.worker.llm.stub.VendorStub;
import org.pgoffload.worker.llm.stub.WireReply;

/// Each part as a process of its own, joined as the ready file says, ended and killed as a user
/// would.
class SeparateProcessesTest {
  private static final Duration START = Duration.ofSeconds(90);

  @TempDir Path directory;

  @Test
  void eachPartRunsAloneAndAKilledWorkersCallIsTakenOver() throws Exception {
    var ready = directory.resolve("ready.json");
    var data = directory.resolve("data").toString();
    try (var vendor = VendorStub.start();
        var servers =
            Command.start(
                directory,
                Map.of(),
                "dev",
                "--data-dir",
                data,
                "--parts",
                "postgres,kafka",
                "--ready-file",
                ready.toString())) {
      var addresses = awaitReady(ready, servers);
      var environment = environment(addresses, vendor);

      try (var producer = Command.start(directory, environment, "producer");
          var results = Command.start(directory, environment, "results");
          var first = Command.start(directory, environment, "worker");
          var app = connect(addresses)) {
        awaitOutput(producer, "Capturing from");
        awaitOutput(results, "Writing results");
        awaitOutput(first, "Reading from");
        assertThat(query(app, "select llm_ask('all alone')"))
            .containsExactly("stub answer to: all alone");

        execute(app, "create table counted (n int); create table killed (n int)");
        var task =
            query(
                    app,
                    "insert into sql_request (command) values ('insert into counted values (1);"
                        + " select pg_sleep(60) where not exists (select from killed)') returning id::text")
                .getFirst();
        await().atMost(START).until(() -> sessionsOfTasks(app).equals(List.of("1")));

        // a worker that dies in the middle of a call: the next one makes the call again
        vendor.next(StubReply.wire(new WireReply.Silence()));
        var interrupted =
            query(
                    app,
                    "insert into llm_request (prompt) values ('who was killed?') returning id::text")
                .getFirst();
        await()
            .atMost(START)
            .until(() ->
                vendor.questions().stream()
                    .anyMatch(question -> question.turns().getLast().contains("who was killed?")));
        first.process().destroyForcibly();
        execute(app, "insert into killed values (1)");

        try (var second = Command.start(directory, environment, "worker")) {
          awaitOutput(second, "Reading from");
          query(app, "select status from llm_wait(array[" + interrupted + "::bigint], '60 s')");
          assertThat(query(app, "select llm_result(" + interrupted + ")"))
              .containsExactly("stub answer to: who was killed?");
          assertThat(query(app, "select attempts::text from llm_response(" + interrupted + ")"))
              .containsExactly("2");

          // and of a task in the middle of its transaction: it takes effect once, and what the dead
          // worker's session had done by then is undone
          query(app, "select status from llm_wait(array[" + task + "::bigint], '60 s')");
          assertThat(
                  query(
                      app, "select concat_ws(' ', status, attempts) from sql_result(" + task + ")"))
              .containsExactly("succeeded 2");
          assertThat(query(app, "select count(*)::text from counted")).containsExactly("1");
          assertThat(sessionsOfTasks(app)).containsExactly("0");

          // what was asked before is not asked again
          assertThat(vendor.questions())
              .filteredOn(question -> question.turns().getLast().contains("all alone"))
              .hasSize(1);

          // ended in order, it gives its lease up
          second.process().destroy();
          second.awaitExit(Duration.ofSeconds(10));
          assertThat(
                  query(
                      app,
                      "select count(*)::text from llm_worker where alive and name like '%-"
                          + second.process().pid()
                          + "-%'"))
              .containsExactly("0");
        }
        producer.process().destroy();
        results.process().destroy();
        producer.awaitExit(Duration.ofSeconds(10));
        results.awaitExit(Duration.ofSeconds(10));
      }

      secondStartIsRefused(data);
      endsEveryChild(servers);
    }
    keepsTheData(data);
  }

  private void secondStartIsRefused(String data) throws Exception {
    try (var second = Command.start(directory, Map.of(), "dev", "--data-dir", data)) {
      assertThat(second.awaitExit(Duration.ofSeconds(30))).isEqualTo(1);
      assertThat(second.output()).contains("is in use by process");
    }
  }

  private static void endsEveryChild(Command servers) throws InterruptedException {
    var children = servers.process().descendants().toList();
    assertThat(children).isNotEmpty();
    servers.process().destroy();
    servers.awaitExit(Duration.ofSeconds(10));
    await()
        .atMost(Duration.ofSeconds(10))
        .until(() -> children.stream().noneMatch(SeparateProcessesTest::runs));
  }

  private void keepsTheData(String data) throws Exception {
    var ready = directory.resolve("again.json");
    try (var again =
        Command.start(
            directory, Map.of(), "dev", "--data-dir", data, "--ready-file", ready.toString())) {
      var addresses = awaitReady(ready, again);
      try (var app = connect(addresses)) {
        assertThat(query(app, "select answer from llm_response(1)"))
            .containsExactly("stub answer to: all alone");
        assertThat(query(app, "select llm_ask('once more')"))
            .containsExactly("[echo, no model] once more");
      }
      assertThat(again.output()).contains("it is no model").contains("pgoffload is ready");
      // its directory can only be used again when nothing of it runs
      var children = again.process().descendants().toList();
      again.process().destroyForcibly();
      again.awaitExit(Duration.ofSeconds(10));
      try (var afterKill =
          Command.start(
              directory,
              Map.of(),
              "dev",
              "--data-dir",
              data,
              "--parts",
              "postgres",
              "--ready-file",
              ready + "2")) {
        awaitReady(Path.of(ready + "2"), afterKill);
        assertThat(children).noneMatch(SeparateProcessesTest::runs);
        endsEveryChild(afterKill);
      }
    }
  }

  /// A zombie, whose parent was killed, does not run.
  private static boolean runs(ProcessHandle process) {
    return process.isAlive() && process.info().command().isPresent();
  }

  private static JsonNode awaitReady(Path ready, Command command) throws IOException {
    await().atMost(START).until(() -> Files.exists(ready) || !command.process().isAlive());
    assertThat(ready).withFailMessage(command::output).exists();
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(ready)))
        .isEqualTo("rw-------");
    return new ObjectMapper().readTree(ready.toFile());
  }

  private static Map<String, String> environment(JsonNode addresses, VendorStub vendor) {
    var environment = new TreeMap<String, String>();
    addresses
        .get("env")
        .properties()
        .forEach(entry -> environment.put(entry.getKey(), entry.getValue().asText()));
    environment.put("LLM_PROVIDER", "openai");
    environment.put("OPENAI_API_KEY", VendorStub.KEY);
    environment.put("OPENAI_BASE_URL", vendor.url() + "/v1");
    return environment;
  }

  private static Connection connect(JsonNode addresses) throws SQLException {
    return DatabaseAddress.parse(addresses.get("postgres_url").asText()).connect("test");
  }

  private static void awaitOutput(Command command, String text) {
    await()
        .atMost(START)
        .until(() -> command.output().contains(text) || !command.process().isAlive());
    assertThat(command.output()).contains(text);
  }

  private static List<String> sessionsOfTasks(Connection app) throws SQLException {
    return query(
        app,
        "select count(*)::text from pg_stat_activity where application_name like 'pg_background:%' and state = 'active'");
  }
}
