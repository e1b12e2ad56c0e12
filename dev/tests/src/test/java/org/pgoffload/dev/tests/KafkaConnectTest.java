package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.zip.ZipInputStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.launcher.LocalInstallation;
import org.pgoffload.dev.launcher.LocalOptions;
import org.pgoffload.dev.launcher.Part;
import org.pgoffload.dev.testkit.vendors.StubReply;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.launcher.ConnectorConfigCommand;
import org.pgoffload.launcher.ReadConfiguration;
import org.pgoffload.platform.Settings;
import org.pgoffload.platform.TopicOffsets;
import org.pgoffload.platform.hosting.Version;
import org.pgoffload.producer.CaptureSidecar;
import org.pgoffload.producer.ProducerApp;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.telemetry.Telemetry;

/// A whole local installation in which a distributed worker of Kafka Connect, with the plugin
/// archive and the configuration that `connector-config` prints, captures instead of the producer.
class KafkaConnectTest {
  private static final String NAME = "pgoffload";
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  @TempDir static Path directory;
  private static VendorStub vendor;
  private static LocalInstallation installation;
  private static CaptureSidecar attend;
  private static Path plugins;
  private static ConnectWorker worker;

  private Connection app;
  private Connection admin;

  @BeforeAll
  static void start() throws Exception {
    var archive =
        Path.of("../../connectors/target/pgoffload-connectors-" + Version.text() + ".zip")
            .toAbsolutePath()
            .normalize();
    if (System.getenv("CI") == null) {
      assumeThat(archive)
          .as("the plugin archive, which the phase package makes: ./mvnw verify, or package before")
          .exists();
    }
    plugins = Files.createDirectory(directory.resolve("plugins"));
    unpack(archive, plugins);
    vendor = VendorStub.start();
    vendor.otherwise(question -> StubReply.answer("answer to " + question.turns().getLast()));
    installation =
        LocalInstallation.start(
            new LocalOptions(
                directory.resolve("data"),
                true,
                0,
                0,
                EnumSet.complementOf(EnumSet.of(Part.PRODUCER)),
                Map.of(
                    "LLM_PROVIDER",
                    "openai",
                    "OPENAI_API_KEY",
                    VendorStub.KEY,
                    "OPENAI_BASE_URL",
                    vendor.url() + "/v1")),
            step -> {});
    var producer = ReadConfiguration.producer(settings());
    Files.writeString(
        directory.resolve("connect.properties"),
        "producer.password="
            + Objects.requireNonNull(producer.database().password()).reveal()
            + "\n");
    attend = CaptureSidecar.start(producer, Telemetry.none());
    worker = startWorker(false);
  }

  @AfterAll
  static void stop() {
    for (var each : new AutoCloseable[] {worker, attend, installation, vendor}) {
      try {
        if (each != null) {
          each.close();
        }
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
  }

  @BeforeEach
  void connect() throws SQLException {
    app = installation.application().connect("test");
    admin = installation.admin().connect("test");
  }

  @AfterEach
  void disconnect() throws SQLException {
    app.close();
    admin.close();
  }

  @Test
  void answersRowsAndCallsAndRunsBackgroundSql() throws SQLException {
    var id =
        query(app, "insert into llm_request (prompt) values ('by row') returning id").getFirst();
    assertThat(query(app, "select llm_ask('at once')")).containsExactly("answer to user: at once");
    waitFor(id);
    assertThat(query(app, "select llm_result(" + id + ")"))
        .containsExactly("answer to user: by row");
    assertThat(
            query(
                app,
                "select n from pg_background_result(pg_background_launch('select 6 * 7')) as (n int)"))
        .containsExactly("42");
  }

  @Test
  void recordsAreThoseOfTheProducer() throws Exception {
    execute(admin, "select pg_copy_logical_replication_slot('pgoffload', 'compared')");
    execute(app, "select llm_ask('Grüße, 世界', options => '{\"temperature\": 0.5}')");
    execute(app, "insert into llm_request (prompt, ordering_key) values ('one', 'schlüssel 7')");
    execute(app, "select pg_background_detach(pg_background_launch('select 1'))");
    execute(app, "select pg_logical_emit_message(true, 'pgoffload.request', 'no request')");
    waitFor(query(app, "insert into llm_request (prompt) values ('last') returning id").getFirst());
    var captured = published(new TopicNames("pgoffload"));

    var others = new TopicNames("other");
    try (var kafka = kafkaAdmin()) {
      kafka
          .createTopics(
              others.all().stream().map(name -> new NewTopic(name, 1, (short) -1)).toList())
          .all()
          .get();
    }
    var environment = new TreeMap<>(installation.joiningEnvironment());
    environment.put("PGOFFLOAD_TOPIC_PREFIX", others.prefix());
    environment.put("PGOFFLOAD_SLOT", "compared");
    try (var _ =
        ProducerApp.start(
            ReadConfiguration.producer(new Settings(environment)), Telemetry.none())) {
      await()
          .atMost(PATIENCE)
          .untilAsserted(
              () -> assertThat(captured.values()).containsAll(published(others).values()));
      await().atMost(PATIENCE).until(() -> published(others).size() >= 5);
    } finally {
      await()
          .atMost(PATIENCE)
          .ignoreExceptions()
          .untilAsserted(() -> execute(admin, "select pg_drop_replication_slot('compared')"));
    }
    var produced = published(others);
    assertThat(captured).containsAllEntriesOf(produced);
    assertThat(produced.values()).extracting(Published::key).contains("schlüssel 7");
  }

  @Test
  void aKilledWorkerLosesNothingAndNothingHappensTwice() throws Exception {
    ask("plain", 0, 150);
    worker.close();
    ask("plain", 150, 300);
    worker = startWorker(false);
    answeredOnce("plain", 300);
  }

  /// Apart, with `-Dslow`: a Connect worker takes long to start.
  @Test
  @EnabledIfSystemProperty(named = "slow", matches = "true")
  void aKilledWorkerLosesNothingWithExactlyOnceSupport() throws Exception {
    worker.close();
    worker = startWorker(true);
    ask("transaction", 0, 150);
    worker.close();
    ask("transaction", 150, 300);
    worker = startWorker(true);
    answeredOnce("transaction", 300);

    // all of them are committed, some a second time
    var topic = installation.topics().llmRequests();
    assertThat(
            read(topic).stream()
                .map(ReadTopics::value)
                .filter(value -> value.contains("transaction "))
                .distinct())
        .hasSize(300);

    // the markers of transactions do not look like unfinished requests
    try (var kafka = kafkaAdmin()) {
      await()
          .atMost(PATIENCE)
          .untilAsserted(() -> {
            var partitions = TopicOffsets.partitions(kafka, topic);
            var ends = new HashMap<>(TopicOffsets.of(kafka, partitions, OffsetSpec.latest()));
            ends.values().removeIf(end -> end == 0);
            assertThat(TopicOffsets.committed(kafka, installation.topics().workersOf(topic)))
                .isEqualTo(ends);
          });
    }
  }

  @Test
  void aSlotThatIsGoneIsNotMadeInSilence() throws Exception {
    execute(app, "select llm_ask('before the slot is dropped')");
    dropSlot();
    await().atMost(PATIENCE).until(() -> worker.taskState(NAME), "FAILED"::equals);
    assertThat(worker.get("/connectors/" + NAME + "/status").toString())
        .contains("slot_missing: there is no replication slot pgoffload: run pgoffload install");
    assertThat(query(admin, "select slot_name from pg_replication_slots")).isEmpty();

    var lost =
        query(app, "insert into llm_request (prompt) values ('between slots') returning id")
            .getFirst();
    assertThat(run("install").status()).isZero();
    restartTask();
    waitFor(lost);
    assertThat(query(app, "select llm_result(" + lost + ")"))
        .containsExactly("answer to user: between slots");
  }

  @Test
  void aRestartedDatabaseIsWaitedFor() throws Exception {
    execute(
        admin,
        "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'pgoffload'");
    assertThat(query(app, "select llm_ask('after the walsender')"))
        .containsExactly("answer to user: after the walsender");
    assertThat(worker.taskState(NAME)).isEqualTo("RUNNING");
  }

  @Test
  void aWrongPasswordFailsTheTaskAndSaysSo() throws Exception {
    var password = Files.readString(directory.resolve("connect.properties"));
    Files.writeString(directory.resolve("connect.properties"), "producer.password=wrong\n");
    try {
      restartTask();
      await().atMost(PATIENCE).until(() -> worker.taskState(NAME), "FAILED"::equals);
      assertThat(worker.get("/connectors/" + NAME + "/status").toString())
          .contains("capture stands still: login_refused: ", "pgoffload_producer", "then restart")
          .doesNotContain("wrong");
    } finally {
      Files.writeString(directory.resolve("connect.properties"), password);
      restartTask();
    }
    assertThat(query(app, "select llm_ask('after the login')"))
        .containsExactly("answer to user: after the login");
  }

  @Test
  void whatNoTopicTakesStopsNothing() throws Exception {
    execute(
        app,
        "select pg_logical_emit_message(true, 'pgoffload.request', repeat('forged ', 6000000))");
    assertThat(query(app, "select llm_ask('after the forged one')"))
        .containsExactly("answer to user: after the forged one");
    var letters = read(installation.topics().deadLetters());
    assertThat(letters)
        .filteredOn(letter -> letter.value().length == 0)
        .singleElement()
        .satisfies(letter ->
            assertThat(headers(letter).get("pgoffload-reason-detail"))
                .isEqualTo("42000000 bytes, larger than any request may be (max_request_bytes)"));
  }

  @Test
  void theConfigurationHoldsNoPassword() {
    var printed = run("connector-config");
    assertThat(printed.errors()).isEmpty();
    assertThat(printed.output())
        .contains("\"database.password\" : \"" + ConnectorConfigCommand.DEFAULT_PASSWORD + "\"")
        .doesNotContain(
            Objects.requireNonNull(ReadConfiguration.producer(settings()).database().password())
                .reveal());
    assertThat(run("connector-config", "--password", "hunter2").status()).isEqualTo(2);
    assertThat(run("connector-config", "--format", "properties").output())
        .startsWith("name=pgoffload\n")
        .contains("\nconnector.class=org.pgoffload.connectors.RequestConnector\n")
        .contains("\nmessage.prefix.include.list=pgoffload\\\\.request\n");
  }

  private static void restartTask() throws Exception {
    var restarted = worker.send("POST", "/connectors/" + NAME + "/restart?includeTasks=true", "");
    assertThat(restarted.statusCode()).as(restarted.body()).isBetween(200, 204);
  }

  private void dropSlot() {
    await()
        .atMost(PATIENCE)
        .pollInterval(Duration.ofMillis(5))
        .ignoreExceptions()
        .until(() -> {
          execute(
              admin,
              "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'pgoffload' and active");
          execute(admin, "select pg_drop_replication_slot('pgoffload')");
          return true;
        });
  }

  private void ask(String prompt, int from, int to) throws SQLException {
    for (int i = from; i < to; i++) {
      execute(app, "insert into llm_request (prompt) values ('" + prompt + " " + i + "')");
    }
  }

  private void answeredOnce(String prompt, int count) {
    await()
        .atMost(PATIENCE)
        .untilAsserted(() ->
            assertThat(
                    query(
                        app,
                        "select count(*) from llm_request q join pgoffload.llm_result r using (id)"
                            + " where r.status = 'succeeded' and q.prompt like '"
                            + prompt
                            + " %'"))
                .containsExactly(Integer.toString(count)));
    var asked =
        vendor.questions().stream()
            .map(question -> question.turns().getLast())
            .filter(turn -> turn.startsWith("user: " + prompt + " "))
            .toList();
    assertThat(asked).doesNotHaveDuplicates().hasSize(count);
  }

  private void waitFor(String id) throws SQLException {
    assertThat(query(app, "select status from llm_wait(array[" + id + "::bigint], '120 s')"))
        .containsExactly("succeeded");
  }

  /// What is on the topics of requests and of dead letters, by its value.
  private static Map<String, Published> published(TopicNames topics) {
    var published = new HashMap<String, Published>();
    for (var record : read(topics.llmRequests(), topics.sqlRequests(), topics.deadLetters())) {
      var value = ReadTopics.value(record);
      var headers = headers(record);
      // the position says where it was captured, and is the same in both
      published.put(
          value,
          new Published(
              record.topic().substring(topics.prefix().length()),
              record.key() == null ? null : new String(record.key(), StandardCharsets.UTF_8),
              headers));
    }
    return published;
  }

  private record Published(String topic, @Nullable String key, Map<String, String> headers) {}

  private static Map<String, String> headers(ConsumerRecord<byte[], byte[]> record) {
    var headers = new TreeMap<String, String>();
    record
        .headers()
        .forEach(header ->
            headers.put(header.key(), new String(header.value(), StandardCharsets.UTF_8)));
    return headers;
  }

  private static List<ConsumerRecord<byte[], byte[]>> read(String... topics) {
    return ReadTopics.all(installation.kafkaBootstrap(), topics);
  }

  private static Admin kafkaAdmin() {
    return Admin.create(Map.of("bootstrap.servers", installation.kafkaBootstrap()));
  }

  /// Starts a worker, and gives it the configuration as a user would.
  private static ConnectWorker startWorker(boolean exactlyOnce) throws Exception {
    var started =
        ConnectWorker.start(
            directory,
            plugins,
            installation.kafkaBootstrap(),
            exactlyOnce ? Map.of("exactly.once.source.support", "enabled") : Map.of());
    var arguments =
        new ArrayList<>(
            List.of(
                "connector-config",
                "--format",
                "put",
                "--password",
                "${file:" + directory.resolve("connect.properties") + ":producer.password}"));
    if (exactlyOnce) {
      arguments.add("--exactly-once");
    }
    var printed = run(arguments.toArray(String[]::new));
    assertThat(printed.status()).as(printed.errors()).isZero();
    var configuration = printed.output();
    await()
        .atMost(PATIENCE)
        .ignoreExceptionsInstanceOf(IOException.class)
        .untilAsserted(() -> {
          var put = started.send("PUT", "/connectors/" + NAME + "/config", configuration);
          assertThat(put.statusCode()).as(put.body()).isBetween(200, 201);
        });
    await().atMost(PATIENCE).until(() -> started.taskState(NAME), "RUNNING"::equals);
    return started;
  }

  private static Settings settings() {
    return new Settings(installation.joiningEnvironment());
  }

  /// The command with what the installation says, by its options.
  private static Command.Outcome run(String... arguments) {
    var all = new ArrayList<>(List.of(arguments));
    var uri =
        arguments[0].equals("install")
            ? installation.joiningEnvironment().get("DATABASE_URL")
            : installation.joiningEnvironment().get("PGOFFLOAD_PRODUCER_DATABASE_URL");
    all.addAll(
        List.of(
            "--kafka",
            installation.kafkaBootstrap(),
            "--database-url",
            Objects.requireNonNull(uri)));
    return Command.run(all.toArray(String[]::new));
  }

  private static void unpack(Path archive, Path into) throws IOException {
    try (var zip = new ZipInputStream(Files.newInputStream(archive))) {
      for (var entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
        var target = into.resolve(entry.getName()).normalize();
        if (entry.isDirectory()) {
          Files.createDirectories(target);
        } else {
          Files.createDirectories(Objects.requireNonNull(target.getParent()));
          Files.copy(zip, target);
        }
      }
    }
  }
}
