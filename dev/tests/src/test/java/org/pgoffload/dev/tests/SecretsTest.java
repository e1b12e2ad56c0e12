package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.testkit.vendors.StubReply;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.operations.KafkaRights.Part;

/// Each part as a process of its own, with its secrets in files and every library at DEBUG: what
/// comes out shows none of them, and SIGHUP has a part go on with new ones.
@Timeout(180)
class SecretsTest {
  private static final Duration START = Duration.ofSeconds(90);
  private static final String PROVIDER_KEY = VendorStub.KEY;

  @TempDir Path directory;

  @Test
  void areReadAgainOnHangupAndNeverShown() throws Exception {
    try (var servers = new SecuredServers(directory);
        var vendor = VendorStub.start()) {
      vendor.otherwise(question ->
          question.turns().getLast().contains("wrong")
              ? StubReply.failure(StubReply.Kind.WRONG_KEY)
              : StubReply.answer("an answer"));
      servers.admitParts();
      var install = Command.start(directory, logged(servers.environment(Part.INSTALL)), "install");
      try (install) {
        assertThat(install.awaitExit(START)).withFailMessage(install::output).isZero();
      }
      try (var owner = servers.ownersConnection()) {
        for (var part : List.of(Part.PRODUCER, Part.WORKER, Part.RESULTS)) {
          setPassword(owner, part, SecuredServers.databasePassword(part));
        }
        execute(owner, "create role app login password 'app' in role llm_user, pgbackground_role");
        try (var producer = start(servers, Part.PRODUCER, Map.of());
            var results = start(servers, Part.RESULTS, Map.of());
            var worker =
                start(
                    servers,
                    Part.WORKER,
                    Map.of(
                        "LLM_PROVIDER",
                        "openai",
                        "OPENAI_BASE_URL",
                        vendor.url() + "/v1",
                        "OPENAI_API_KEY_FILE",
                        keyFile()));
            var app = servers.owner().as("app", secret("app")).connect("test")) {
          producer.awaitOutput("Capturing from", START);
          results.awaitOutput("Writing results", START);
          assertThat(query(app, "select llm_ask('Hello')")).containsExactly("an answer");
          assertThat(error(app, "select llm_ask('wrong')")).contains("LM001");
          assertThat(
                  query(
                      app,
                      "select * from pg_background_result(pg_background_launch('select 42')) as (n int)"))
              .containsExactly("42");

          refusesWhatIsWrong(servers, worker, Part.WORKER);
          changePassword(servers, owner, worker, Part.WORKER);
          changePassword(servers, owner, results, Part.RESULTS);
          changePassword(servers, owner, producer, Part.PRODUCER);
          for (var part : List.of(worker, results, producer)) {
            part.awaitOutput("starts with them", START);
            awaitReady(part);
            showsNone(List.of(commandLine(part), metrics(part)), secrets(owner));
          }
          assertThat(query(app, "select llm_ask('Hello again')")).containsExactly("an answer");

          var shown = new ArrayList<String>();
          shown.add(install.output());
          for (var part : List.of(producer, results, worker)) {
            part.process().destroy();
            part.awaitExit(Duration.ofSeconds(20));
            shown.add(part.output());
          }
          assertThat(shown.stream().allMatch(output -> output.contains(" DEBUG "))).isTrue();
          showsNone(shown, secrets(owner));
        }
      }
    }
  }

  private void refusesWhatIsWrong(SecuredServers servers, Command command, Part part)
      throws Exception {
    var file = Path.of(servers.environment(part).get("DATABASE_URL_FILE"));
    var before = Files.readString(file);
    hangUp(command);
    command.awaitOutput("none of the files that this part has read has changed", START);
    Files.writeString(file, before.replace("database-secret", "wrong-database-secret"));
    hangUp(command);
    command.awaitOutput("what they say is wrong; this part goes on", START);
    Files.writeString(file, before);
  }

  /// From now on the part could not log in again with what it had.
  private static void changePassword(
      SecuredServers servers, Connection owner, Command command, Part part) throws Exception {
    var file = Path.of(servers.environment(part).get("DATABASE_URL_FILE"));
    setPassword(owner, part, "new-" + SecuredServers.databasePassword(part));
    Files.writeString(
        file, Files.readString(file).replace("database-secret", "new-database-secret"));
    hangUp(command);
  }

  private static void hangUp(Command command) throws Exception {
    assertThat(
            new ProcessBuilder("kill", "-HUP", String.valueOf(command.process().pid()))
                .start()
                .waitFor())
        .isZero();
  }

  private Command start(SecuredServers servers, Part part, Map<String, String> more)
      throws IOException {
    var environment = logged(servers.environment(part));
    environment.putAll(more);
    try (var socket = new java.net.ServerSocket(0)) {
      environment.put("PGOFFLOAD_MANAGEMENT_ADDRESS", "127.0.0.1:" + socket.getLocalPort());
    }
    var command = Command.start(directory, environment, part.text());
    addresses.put(command, environment.get("PGOFFLOAD_MANAGEMENT_ADDRESS"));
    return command;
  }

  private final Map<Command, String> addresses = new HashMap<>();

  private static Map<String, String> logged(Map<String, String> environment) {
    var logged = new HashMap<>(environment);
    logged.put("TEST_LOGBACK_FILE", "everything-logged.xml");
    return logged;
  }

  private void awaitReady(Command command) {
    // between two of its lives nobody answers
    await()
        .atMost(START)
        .ignoreExceptionsInstanceOf(IOException.class)
        .until(() -> ask(command, "/health/ready").statusCode() == 200);
  }

  private String metrics(Command command) throws Exception {
    return ask(command, "/metrics").body() + ask(command, "/health/ready").body();
  }

  private HttpResponse<String> ask(Command command, String path) throws Exception {
    try (var client = HttpClient.newHttpClient()) {
      return client.send(
          HttpRequest.newBuilder(URI.create("http://" + addresses.get(command) + path)).build(),
          HttpResponse.BodyHandlers.ofString());
    }
  }

  /// What everybody on the machine sees of it.
  private static String commandLine(Command command) throws IOException {
    return Files.readString(Path.of("/proc", String.valueOf(command.process().pid()), "cmdline"));
  }

  private static List<String> secrets(Connection owner) throws SQLException {
    var secrets =
        new ArrayList<>(List.of("database-secret", "kafka-secret", "superuser@", PROVIDER_KEY));
    secrets.addAll(query(owner, "select encode(key, 'hex') from pgoffload.signing_key"));
    secrets.addAll(query(owner, "select encode(inner_pad, 'hex') from pgoffload.signer"));
    secrets.addAll(query(owner, "select token::text from pgoffload.claim where token is not null"));
    return secrets;
  }

  private static void showsNone(List<String> outputs, List<String> secrets) {
    assertThat(
            outputs.stream()
                .flatMap(String::lines)
                .filter(line -> secrets.stream().anyMatch(line::contains))
                // without the secret, which may be far behind
                .map(line -> line.substring(0, Math.min(line.length(), 160))))
        .isEmpty();
  }

  private String keyFile() throws IOException {
    var file = directory.resolve("provider.key");
    Files.writeString(file, PROVIDER_KEY + "\n");
    return file.toString();
  }

  private static void setPassword(Connection owner, Part part, String password)
      throws SQLException {
    execute(owner, "alter role pgoffload_%s login password '%s'".formatted(part.text(), password));
  }

  private static org.pgoffload.protocol.Secret secret(String value) {
    return org.pgoffload.protocol.Secret.of(value);
  }

  private static String error(Connection app, String sql) {
    try {
      return query(app, sql).toString();
    } catch (SQLException e) {
      return e.getSQLState() + e.getMessage();
    }
  }
}
