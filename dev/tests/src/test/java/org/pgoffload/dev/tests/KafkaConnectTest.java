package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;
import static org.pgoffload.dev.tests.Sql.value;

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
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.launcher.LocalInstallation;
import org.pgoffload.dev.launcher.Part;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.launcher.ConnectorConfigCommand;
import org.pgoffload.launcher.ReadConfiguration;
import org.pgoffload.operations.RecordPrimary;
import org.pgoffload.platform.Settings;
import org.pgoffload.platform.TopicOffsets;
import org.pgoffload.platform.hosting.Version;
import org.pgoffload.producer.CaptureSidecar;
import org.pgoffload.producer.ProducerApp;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.telemetry.Telemetry;

/// An installation in a database of its own, in which a distributed worker of Kafka Connect, with
/// the plugin archive and the configuration that `connector-config` prints, captures instead of the
/// producer.
@ExtendWith(SharedInstallation.Extension.class)
class KafkaConnectTest {
  private static final String NAME = "pgoffload";
  private static final String SLOT = "by_connect";
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  @TempDir static Path directory;
  private static VendorStub vendor;
  private static OwnDatabase database;
  private static LocalInstallation parts;
  private static CaptureSidecar attend;
  private static Path plugins;
  private static ConnectWorker worker;

  private Connection app;
  private Connection admin;

  @BeforeAll
  static void start(SharedInstallation shared) throws Exception {
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
    vendor = shared.openai();
    database = OwnDatabase.create(shared.installation(), "connected", SLOT);
    database.ran("install");
    var environment = database.environment();
    environment.put("OPENAI_API_KEY", VendorStub.KEY);
    environment.put("OPENAI_BASE_URL", vendor.url() + "/v1");
    parts =
        database.start(
            directory.resolve("parts"),
            EnumSet.of(Part.WORKER, Part.RESULTS, Part.MAINTENANCE),
            environment);
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
    for (var each : new AutoCloseable[] {worker, attend, parts, database}) {
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
    app = database.application().connect("test");
    admin = database.admin().connect("test");
  }

  @AfterEach
  void disconnect() throws SQLException {
    app.close();
    admin.close();
  }

  @Test
  void answersRowsAndCallsAndRunsBackgroundSql() throws SQLException {
    var id = value(app, "insert into llm_request (prompt) values ('by row') returning id");
    assertThat(query(app, "select llm_ask('at once')")).containsExactly("stub answer to: at once");
    waitFor(id);
    assertThat(query(app, "select llm_result(" + id + ")"))
        .containsExactly("stub answer to: by row");
    assertThat(
            query(
                app,
                "select n from pg_background_result(pg_background_launch('select 6 * 7')) as (n int)"))
        .containsExactly("42");
  }

  @Test
  void recordsAreThoseOfTheProducer() throws Exception {
    execute(admin, "select pg_copy_logical_replication_slot('" + SLOT + "', 'compared')");
    execute(app, "select llm_ask('Grüße, 世界', options => '{\"temperature\": 0.5}')");
    execute(app, "insert into llm_request (prompt, ordering_key) values ('one', 'schlüssel 7')");
    execute(app, "select pg_background_detach(pg_background_launch('select 1'))");
    execute(app, "select pg_logical_emit_message(true, 'pgoffload.request', 'no request')");
    waitFor(value(app, "insert into llm_request (prompt) values ('last') returning id"));
    var captured = published(database.topics());

    var others = new TopicNames("other");
    try (var kafka = kafkaAdmin()) {
      kafka
          .createTopics(
              others.all().stream().map(name -> new NewTopic(name, 1, (short) -1)).toList())
          .all()
          .get();
    }
    // as for an installation that has no record of its primary yet
    var control = value(admin, "select value from pgoffload.setting where name = 'control_topic'");
    execute(admin, "update pgoffload.setting set value = '' where name = 'control_topic'");
    RecordPrimary.install(
        database.admin(), Map.of("bootstrap.servers", database.servers().kafkaBootstrap()), others);
    execute(
        admin,
        "update pgoffload.setting set value = '" + control + "' where name = 'control_topic'");
    var environment = new TreeMap<>(database.environment());
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
  @EnabledIfSystemProperty(named = "slow", matches = "true")
  void aKilledWorkerLosesNothingAndNothingHappensTwice() throws Exception {
    ask("plain", 0, 150);
    worker.close();
    ask("plain", 150, 300);
    worker = startWorker(false);
    answeredOnce("plain", 300);
  }

  /// Apart, with `-Pslow`: a Connect worker takes long to start.
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
    var topic = database.topics().llmRequests();
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
            assertThat(TopicOffsets.committed(kafka, database.topics().workersOf(topic)))
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
        .contains("slot_missing: there is no replication slot by_connect: run pgoffload install");
    assertThat(
            query(
                admin,
                "select slot_name from pg_replication_slots where slot_name = '" + SLOT + "'"))
        .isEmpty();

    var lost = value(app, "insert into llm_request (prompt) values ('between slots') returning id");
    assertThat(run("install").status()).isZero();
    restartTask();
    waitFor(lost);
    assertThat(query(app, "select llm_result(" + lost + ")"))
        .containsExactly("stub answer to: between slots");
  }

  @Test
  void aRestartedDatabaseIsWaitedFor() throws Exception {
    execute(
        admin,
        "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '"
            + SLOT
            + "'");
    assertThat(query(app, "select llm_ask('after the walsender')"))
        .containsExactly("stub answer to: after the walsender");
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
        .containsExactly("stub answer to: after the login");
  }

  @Test
  void whatNoTopicTakesStopsNothing() throws Exception {
    execute(
        app,
        "select pg_logical_emit_message(true, 'pgoffload.request', repeat('forged ', 6000000))");
    assertThat(query(app, "select llm_ask('after the forged one')"))
        .containsExactly("stub answer to: after the forged one");
    var letters = read(database.topics().deadLetters());
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
              "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '"
                  + SLOT
                  + "' and active");
          execute(admin, "select pg_drop_replication_slot('" + SLOT + "')");
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
    return ReadTopics.all(database.servers().kafkaBootstrap(), topics);
  }

  private static Admin kafkaAdmin() {
    return Admin.create(Map.of("bootstrap.servers", database.servers().kafkaBootstrap()));
  }

  /// Starts a worker, and gives it the configuration as a user would.
  private static ConnectWorker startWorker(boolean exactlyOnce) throws Exception {
    var started =
        ConnectWorker.start(
            directory,
            plugins,
            database.servers().kafkaBootstrap(),
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
    return new Settings(database.environment());
  }

  /// The command as the administrator, or as the producer, whose password the connector has.
  private static Command.Outcome run(String... arguments) {
    return database.run(
        arguments[0].equals("install")
            ? database.admin()
            : ReadConfiguration.producer(settings()).database(),
        arguments);
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
