package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.query;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.platform.DatabaseAddress;

/// Each part as a process of its own, joined as the ready file says, and ended as a user would.
class SeparateProcessesTest {
  private static final Duration START = Duration.ofSeconds(90);

  @TempDir Path directory;

  /// With `-Pslow`: FaultsTest and SecretsTest run every part as a process too.
  @Test
  @EnabledIfSystemProperty(named = "slow", matches = "true")
  void eachPartRunsAloneAndEndsInOrder() throws Exception {
    var ready = directory.resolve("ready.json");
    var data = directory.resolve("data").toString();
    try (var vendor = VendorStub.start();
        var servers =
            dev(
                "--data-dir",
                data,
                "--ready-file",
                ready.toString(),
                "--parts",
                "postgres,kafka")) {
      var addresses = awaitReady(ready, servers);
      var environment = environment(addresses, vendor);

      try (var producer = Command.start(directory, environment, "producer");
          var results = Command.start(directory, environment, "results");
          var worker = Command.start(directory, environment, "worker");
          var app = connect(addresses)) {
        producer.awaitOutput("Capturing from", START);
        results.awaitOutput("Writing results", START);
        worker.awaitOutput("Reading from", START);
        assertThat(query(app, "select llm_ask('all alone')"))
            .containsExactly("stub answer to: all alone");

        // ended in order, it gives its lease up; what becomes of killed ones FaultsTest shows
        worker.process().destroy();
        worker.awaitExit(Duration.ofSeconds(10));
        assertThat(query(app, "select count(*)::text from llm_worker where alive"))
            .containsExactly("0");
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

  private Command dev(String... options) {
    return Command.start(
        directory,
        Map.of(),
        Stream.concat(Stream.of("dev"), Stream.of(options)).toArray(String[]::new));
  }

  private void secondStartIsRefused(String data) throws Exception {
    try (var second = dev("--data-dir", data)) {
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
    try (var again = dev("--data-dir", data, "--ready-file", ready.toString())) {
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
          dev("--data-dir", data, "--ready-file", ready + "2", "--parts", "postgres")) {
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
}
