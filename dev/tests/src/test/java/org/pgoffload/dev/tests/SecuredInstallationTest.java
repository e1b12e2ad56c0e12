package org.pgoffload.dev.tests;

import static org.apache.kafka.common.acl.AclOperation.READ;
import static org.apache.kafka.common.acl.AclOperation.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;
import static org.pgoffload.dev.tests.Sql.value;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.GroupAuthorizationException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.pgoffload.launcher.ReadConfiguration;
import org.pgoffload.operations.Install;
import org.pgoffload.operations.InstallTopics;
import org.pgoffload.operations.KafkaRights.Part;
import org.pgoffload.operations.MaintenanceApp;
import org.pgoffload.operations.RecordCaptureBreak;
import org.pgoffload.operations.RecordPrimary;
import org.pgoffload.operations.TopicDeviation;
import org.pgoffload.operations.TopicSettings;
import org.pgoffload.operations.TopicStatus;
import org.pgoffload.operations.credentials.Certificates;
import org.pgoffload.operations.keys.RotateKeys;
import org.pgoffload.platform.Settings;
import org.pgoffload.platform.TopicOffsets;
import org.pgoffload.producer.ProducerApp;
import org.pgoffload.results.ResultsApp;
import org.pgoffload.schema.InstallException;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.WorkerApp;
import org.pgoffload.worker.WorkerStartException;
import org.slf4j.LoggerFactory;

/// Every part with a login of its own: TLS with verification and a password to PostgreSQL, TLS with
/// verification and SCRAM to a broker that denies whatever [org.pgoffload.operations.KafkaRights]
/// does not list.
@Timeout(180)
class SecuredInstallationTest {
  private static final ListAppender<ILoggingEvent> LOG = new ListAppender<>();

  @TempDir static Path directory;
  private static SecuredServers servers;
  private static Certificates others;
  private static Connection owner;
  private static ProducerApp producer;
  private static WorkerApp worker;
  private static ResultsApp results;

  @BeforeAll
  static void start() throws Exception {
    LOG.start();
    var logger = (Logger) LoggerFactory.getLogger("org.pgoffload");
    logger.addAppender(LOG);
    logger.setLevel(Level.WARN);
    logger.setAdditive(false);
    others = Certificates.in(directory.resolve("others"));
    servers = new SecuredServers(directory);
    servers.admitParts();
    install(servers.environment(Part.INSTALL));
    owner = servers.ownersConnection();
    for (var part : List.of(Part.PRODUCER, Part.WORKER, Part.RESULTS)) {
      execute(
          owner,
          "alter role pgoffload_%s login password '%s'"
              .formatted(part.text(), SecuredServers.databasePassword(part)));
    }
    execute(owner, "create role app login password 'app' in role llm_user, pgbackground_role");
    producer = ProducerApp.start(producerOf(servers.environment(Part.PRODUCER)), Telemetry.none());
    results = ResultsApp.start(ReadConfiguration.results(settings(Part.RESULTS)), Telemetry.none());
    worker = startWorker(servers.environment(Part.WORKER));
    producer.awaitCapturing(Duration.ofSeconds(60));
    results.awaitRunning(Duration.ofSeconds(60));
  }

  @AfterAll
  static void stop() throws Exception {
    worker.close();
    results.close();
    producer.close();
    owner.close();
    servers.close();
    var logger = (Logger) LoggerFactory.getLogger("org.pgoffload");
    logger.detachAppender(LOG);
    logger.setLevel(null);
    logger.setAdditive(true);
  }

  private static Settings settings(Part part) {
    return new Settings(servers.environment(part));
  }

  private static List<String> install(Map<String, String> environment) {
    var settings = new Settings(environment);
    return new Install(
            java.util.Objects.requireNonNull(settings.database(null)),
            "public",
            null,
            "pgoffload",
            Duration.ofSeconds(30),
            Map.of(),
            new Install.Topics(settings.kafka(), settings.topics(), 2, (short) -1))
        .run(_ -> {});
  }

  private static org.pgoffload.producer.ProducerConfiguration producerOf(
      Map<String, String> environment) {
    return ReadConfiguration.producer(new Settings(environment));
  }

  private static WorkerApp startWorker(Map<String, String> environment) {
    var configuration = ReadConfiguration.worker(new Settings(environment));
    return WorkerApp.start(configuration.worker(), configuration.providers(), Telemetry.none());
  }

  @Test
  void everyPartDoesItsWorkWithItsOwnRightsAlone() throws Exception {
    LOG.list.clear();
    try (var app = asApp()) {
      assertThat(query(app, "select llm_ask('Hello')"))
          .allMatch(answer -> answer.contains("Hello"));
      assertThat(
              query(
                  app,
                  "select * from pg_background_result(pg_background_launch('select 42')) as (n int)"))
          .containsExactly("42");
      // counted in transactions, through topics that the results application makes itself
      await()
          .atMost(Duration.ofSeconds(30))
          .until(() ->
              query(app, "select (count(*) > 0)::text from llm_usage").equals(List.of("true")));
      var id = value(app, "select llm_submit('once more', tags => '{}')");
      assertThat(query(app, "select status from llm_wait(array[" + id + "], '20 s')"))
          .containsExactly("succeeded");
    }
    assertThat(install(servers.environment(Part.INSTALL))).isEmpty();
    assertThat(MaintenanceApp.once(ReadConfiguration.maintenance(settings(Part.MAINTAIN))))
        .noneMatch(change -> change.startsWith("removed"));
    for (var part : List.of(Part.UNINSTALL, Part.DEAD_LETTERS)) {
      assertThat(RecordPrimary.own(servers.owner(), settings(part).kafka(), SecuredServers.TOPICS))
          .isEqualTo(servers.owner());
    }
    try (var admin = Admin.create(settings(Part.MAINTAIN).kafka())) {
      assertThat(TopicStatus.read(admin, SecuredServers.TOPICS).lags()).isNotEmpty();
      assertThat(
              TopicDeviation.find(
                  admin, SecuredServers.TOPICS, TopicSettings.read(servers.owner())))
          .isEmpty();
    }
    // the producer sees how far everybody has come
    RecordCaptureBreak.plan(servers.owner(), "test");
    RecordCaptureBreak.complete(servers.owner());
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() ->
            query(
                    owner,
                    "select worked_off::text from pgoffload.capture_break where reason = 'test' and swept_at is not null")
                .equals(List.of("true")));
    readsDownstream();
    assertThat(warnings()).doesNotContain("uthoriz");
  }

  /// As its producers do, and the client that makes the topic of heartbeats.
  @Test
  void aConnectorPublishesAndNoMore() throws Exception {
    var topics = SecuredServers.TOPICS;
    try (var admin = Admin.create(settings(Part.CONNECTOR).kafka());
        var producer = producerAs(Part.CONNECTOR)) {
      assertThat(InstallTopics.maxMessageBytes(settings(Part.CONNECTOR).kafka(), topics))
          .isPositive();
      admin.createTopics(List.of(new NewTopic(topics.heartbeats(), 1, (short) 1))).all().get();
      producer.send(new ProducerRecord<>(topics.heartbeats(), new byte[0])).get();
      // to no topic that a part reads
      assertThat(
              admin
                  .describeTopics(
                      List.of(topics.llmRequests(), topics.sqlRequests(), topics.commands()),
                      new DescribeTopicsOptions().includeAuthorizedOperations(true))
                  .allTopicNames()
                  .get()
                  .values())
          .hasSize(3)
          .allSatisfy(topic -> assertThat(topic.authorizedOperations()).contains(WRITE))
          .allSatisfy(topic -> assertThat(topic.authorizedOperations()).doesNotContain(READ));
      producer.send(new ProducerRecord<>(topics.deadLetters(), bytes("too large"))).get();
      assertThatThrownBy(
              () -> producer.send(new ProducerRecord<>(topics.results(), bytes("{}"))).get())
          .hasCauseInstanceOf(TopicAuthorizationException.class);
      assertThatThrownBy(
              () -> admin.createTopics(List.of(new NewTopic("other", 1, (short) 1))).all().get())
          .hasCauseInstanceOf(TopicAuthorizationException.class);
    }
  }

  private static void readsDownstream() {
    var properties = new HashMap<>(settings(Part.DOWNSTREAM).kafka());
    properties.put("key.deserializer", ByteArrayDeserializer.class);
    properties.put("value.deserializer", ByteArrayDeserializer.class);
    properties.put("auto.offset.reset", "earliest");
    properties.put("group.id", SecuredServers.TOPICS.prefix() + "-downstream-test");
    try (var consumer = new KafkaConsumer<byte[], byte[]>(properties)) {
      consumer.subscribe(List.of(SecuredServers.TOPICS.results(), SecuredServers.TOPICS.usage()));
      await().until(() -> !consumer.poll(Duration.ofMillis(200)).isEmpty());
    }
    // who could commit for the results application would have it skip results
    properties.put("group.id", SecuredServers.TOPICS.writeBack());
    try (var consumer = new KafkaConsumer<byte[], byte[]>(properties)) {
      consumer.subscribe(List.of(SecuredServers.TOPICS.results()));
      assertThatThrownBy(() -> consumer.poll(Duration.ofSeconds(10)))
          .isInstanceOf(GroupAuthorizationException.class);
    }
  }

  /// With the right back, what had to wait goes on: nothing is lost.
  @ParameterizedTest
  @CsvSource({
    "PRODUCER, secured.requests.llm, WRITE, [secured.requests.llm]",
    "WORKER, secured.results, WRITE, [secured.results]",
    "RESULTS, secured.results, READ, [secured.results]",
  })
  void aPartSaysWhichRightItLacks(Part part, String name, AclOperation operation, String said)
      throws Exception {
    var binding =
        SecuredServers.bindings(part).stream()
            .filter(
                each -> each.pattern().name().equals(name) && each.entry().operation() == operation)
            .toList();
    assertThat(binding).hasSize(1);
    LOG.list.clear();
    try (var admin = servers.admin();
        var app = asApp()) {
      admin.deleteAcls(List.of(binding.getFirst().toFilter())).all().get();
      String id;
      try {
        id = value(app, "insert into llm_request (prompt) values ('patience') returning id");
        await()
            // Kafka Streams ends the thread that is refused
            .dontCatchUncaughtExceptions()
            .atMost(Duration.ofSeconds(30))
            .untilAsserted(() -> assertThat(warnings()).contains("Not authorized", said));
      } finally {
        admin.createAcls(binding).all().get();
      }
      assertThat(query(app, "select status from llm_wait(array[" + id + "], '60 s')"))
          .containsExactly("succeeded");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "127.0.0.1, true, PKIX path validation failed",
    "127.0.0.3, false, The hostname 127.0.0.3 could not be verified"
  })
  void aServerThatIsNotTheRightOneIsNotTalkedTo(String host, boolean otherAuthority, String said)
      throws Exception {
    var trusted = otherAuthority ? others : Certificates.in(directory.resolve("certificates"));
    var wrong = servers.environment(Part.WORKER, host, trusted);
    var right = servers.environment(Part.WORKER);

    // PostgreSQL
    var wrongDatabase = new HashMap<>(right);
    wrongDatabase.put("DATABASE_URL_FILE", String.valueOf(wrong.get("DATABASE_URL_FILE")));
    assertThatThrownBy(() -> startWorker(wrongDatabase))
        .isInstanceOf(WorkerStartException.class)
        .hasMessageContaining(said);
    assertThatThrownBy(() -> install(servers.environment(Part.INSTALL, host, trusted)))
        .isInstanceOf(InstallException.class)
        .hasMessageContaining(said);
    var wrongProducer = producerOf(servers.environment(Part.PRODUCER, host, trusted));
    LOG.list.clear();
    try (var app = ProducerApp.start(wrongProducer, Telemetry.none())) {
      await().untilAsserted(() -> assertThat(warnings()).contains("capture stands still", said));
      assertThat(app).isNotNull();
    }
    // Kafka
    var wrongKafka = new HashMap<>(servers.environment(Part.INSTALL, host, trusted));
    wrongKafka.put(
        "DATABASE_URL_FILE",
        String.valueOf(servers.environment(Part.INSTALL).get("DATABASE_URL_FILE")));
    assertThatThrownBy(() -> install(wrongKafka))
        .isInstanceOf(InstallException.class)
        .hasMessageContaining("SSL handshake failed: ")
        .hasMessageContaining(otherAuthority ? "PKIX" : "No subject alternative names");
  }

  @Test
  void aWrongPasswordIsSaidAndNotShown() {
    var wrong = new HashMap<>(servers.environment(Part.INSTALL));
    wrong.remove("KAFKA_SASL_JAAS_CONFIG_FILE");
    wrong.put(
        "KAFKA_SASL_JAAS_CONFIG",
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"pgoffload-install\" password=\"not-the-one\";");
    assertThatThrownBy(() -> install(wrong))
        .isInstanceOf(InstallException.class)
        .hasMessageContaining("invalid credentials with SASL mechanism SCRAM-SHA-512")
        .hasMessageNotContaining("not-the-one");
  }

  @Test
  void rotatesItsKeyUnderLoadAndLosesNothing() throws Exception {
    var deadLetters = deadLetters();
    int rotations = 5;
    int each = 200;
    try (var app = asApp();
        var asking = asApp()) {
      var asked =
          CompletableFuture.supplyAsync(() -> {
            try {
              return query(asking, "select llm_ask('n ' || n) from generate_series(1, 40) n");
            } catch (SQLException e) {
              throw new IllegalStateException(e);
            }
          });
      long first = 0;
      long last = 0;
      for (int i = 0; i < rotations; i++) {
        last =
            Long.parseLong(
                value(
                    app,
                    "with i as (insert into llm_request (prompt) select 'p' from generate_series(1, "
                        + each
                        + ") returning id) select max(id)::text from i"));
        first = first == 0 ? last - each + 1 : first;
        RotateKeys.rotate(servers.owner());
        execute(app, "insert into sql_request (command) values ('select 1')");
      }
      assertThat(asked.get(60, TimeUnit.SECONDS)).hasSize(40);
      long from = first;
      long to = last;
      await()
          .atMost(Duration.ofSeconds(30))
          .until(() ->
              query(app, "select count(*)::text from llm_queue").equals(List.of("0"))
                  && query(app, "select count(*)::text from sql_queue").equals(List.of("0")));
      assertThat(
              query(
                  owner,
                  "select count(*)::text from pgoffload.llm_result where status = 'succeeded' and id between "
                      + from
                      + " and "
                      + to))
          .containsExactly(
              value(
                  owner,
                  "select count(*)::text from llm_request where id between "
                      + from
                      + " and "
                      + to));
    }
    assertThat(deadLetters()).isEqualTo(deadLetters);
    assertThat(RotateKeys.list(servers.owner())).hasSizeGreaterThan(rotations);
  }

  @Test
  void revokesItsKeyUnderLoadAndLosesNothingThatWasInserted() throws Exception {
    try (var app = asApp();
        var asking = asApp()) {
      var stop = new AtomicBoolean();
      var asked =
          CompletableFuture.supplyAsync(() -> {
            var told = new ArrayList<String>();
            while (!stop.get()) {
              try {
                told.addAll(query(asking, "select llm_ask('now', timeout => '30 s')"));
              } catch (SQLException e) {
                told.add(e.getSQLState() + " " + e.getMessage());
              }
            }
            return told;
          });
      for (int i = 0; i < 20; i++) {
        execute(app, "insert into llm_request (prompt) select 'p' from generate_series(1, 50)");
        if (i == 10) {
          RotateKeys.revoke(servers.owner());
        }
      }
      await()
          .atMost(Duration.ofSeconds(60))
          .until(() ->
              query(
                      owner,
                      "select count(*)::text from pgoffload.capture_break where reason = 'key_revoked' and swept_at is null")
                  .equals(List.of("0")));
      await()
          .atMost(Duration.ofSeconds(30))
          .until(() ->
              query(
                      app,
                      "select count(*)::text from llm_queue q join llm_request r using (id) where not r.immediate")
                  .equals(List.of("0")));
      stop.set(true);
      assertThat(asked.get(60, TimeUnit.SECONDS))
          .contains("[echo, no model] now")
          .allMatch(told ->
              told.contains("now") || told.startsWith("PO003") || told.contains("key_revoked"));
      assertThat(
              query(
                  owner,
                  "select r.status || coalesce(r.error_code, '') from pgoffload.llm_result r join llm_request q using (id) where not q.immediate and r.status <> 'succeeded'"))
          .isEmpty();
    }
  }

  /// What the credentials of each part's user in Kafka are good for when they are stolen.
  @Test
  void aStolenProducersCredentialNeitherForgesNorRepeatsARequest() throws Exception {
    try (var app = asApp();
        var stolen = producerAs(Part.PRODUCER)) {
      var id = value(app, "insert into llm_request (prompt) values ('once') returning id");
      assertThat(query(app, "select status from llm_wait(array[" + id + "], '20 s')"))
          .containsExactly("succeeded");
      var genuine = recordOf(SecuredServers.TOPICS.llmRequests(), id);
      long before = deadLetters();
      // again, as it was: the database knows that it was answered
      stolen.send(copy(genuine, genuine.topic(), genuine.value())).get();
      // another prompt, and its signature
      var forged =
          new String(genuine.value(), StandardCharsets.UTF_8)
              .replace("once", "twice")
              .getBytes(StandardCharsets.UTF_8);
      stolen.send(copy(genuine, genuine.topic(), forged)).get();
      // where it was not meant for
      stolen.send(copy(genuine, SecuredServers.TOPICS.sqlRequests(), genuine.value())).get();
      await().atMost(Duration.ofSeconds(20)).until(() -> deadLetters() == before + 2);
      var next = value(app, "select llm_submit('next')");
      assertThat(query(app, "select status from llm_wait(array[" + next + "], '20 s')"))
          .containsExactly("succeeded");
      assertThat(
              query(
                  owner,
                  "select r.answer || ' after ' || (select count(*) from pgoffload.claim e where e.id = r.id) from pgoffload.llm_result r where id = "
                      + id))
          .containsExactly("[echo, no model] once after 1");
      // and results are not its to write
      assertThatThrownBy(() ->
              stolen.send(new ProducerRecord<>(SecuredServers.TOPICS.results(), bytes("{}"))).get())
          .hasCauseInstanceOf(TopicAuthorizationException.class);
    }
  }

  /// The worker is believed: who has its credential can answer, and this is said in
  /// docs/security.md. It cannot change an answer that is there, nor say what SQL has returned,
  /// since that is recorded by the task's own transaction.
  @Test
  void aStolenWorkersCredentialChangesNoAnswerThatIsThereAndNoResultOfSql() throws Exception {
    try (var app = asApp();
        var stolen = producerAs(Part.WORKER)) {
      var id = value(app, "insert into llm_request (prompt) values ('genuine') returning id");
      assertThat(query(app, "select status from llm_wait(array[" + id + "], '20 s')"))
          .containsExactly("succeeded");
      var result = recordOf(SecuredServers.TOPICS.results(), id);
      var forged =
          new String(result.value(), StandardCharsets.UTF_8)
              .replace("genuine", "forged!")
              .getBytes(StandardCharsets.UTF_8);
      stolen.send(copy(result, result.topic(), forged)).get();
      var task =
          value(
              app,
              "insert into sql_request (command) values ('select 42 from pg_sleep(2)') returning id");
      stolen
          .send(
              new ProducerRecord<>(
                  SecuredServers.TOPICS.results(),
                  bytes(task),
                  bytes(
                      "{\"version\":1,\"kind\":\"sql\",\"id\":%s,\"status\":\"succeeded\",\"requested_by\":\"app\",\"requested_by_oid\":1,\"attempt\":1,\"tags\":[\"SELECT 0\"],\"chunks\":0,\"split\":false,\"worker\":\"w\",\"finished_at\":\"2026-01-02T03:04:05.6Z\"}"
                          .formatted(task))))
          .get();
      assertThat(query(app, "select status from llm_wait(array[" + task + "], '20 s')"))
          .containsExactly("succeeded");
      assertThat(query(app, "select n::text from sql_rows(" + task + ") as (n int)"))
          .containsExactly("42");
      assertThat(query(app, "select llm_result(" + id + ")"))
          .containsExactly("[echo, no model] genuine");
      assertThatThrownBy(() ->
              stolen
                  .send(new ProducerRecord<>(SecuredServers.TOPICS.llmRequests(), bytes("{}")))
                  .get())
          .hasCauseInstanceOf(TopicAuthorizationException.class);
    }
  }

  private static KafkaProducer<byte[], byte[]> producerAs(Part part) {
    var properties = new HashMap<>(settings(part).kafka());
    properties.put("key.serializer", ByteArraySerializer.class);
    properties.put("value.serializer", ByteArraySerializer.class);
    properties.put("max.block.ms", 10_000);
    return new KafkaProducer<>(properties);
  }

  private static ProducerRecord<byte[], byte[]> copy(
      ConsumerRecord<byte[], byte[]> of, String topic, byte[] value) {
    return new ProducerRecord<>(topic, null, of.key(), value, of.headers());
  }

  private static ConsumerRecord<byte[], byte[]> recordOf(String topic, String key) {
    return await()
        .until(
            () ->
                ReadTopics.all(servers.bootstrapServersOfAdmin(), topic).stream()
                    .filter(record -> ReadTopics.key(record).equals(key))
                    .findFirst(),
            Optional::isPresent)
        .orElseThrow();
  }

  private static long deadLetters() throws Exception {
    try (var admin = servers.admin()) {
      var topic = SecuredServers.TOPICS.deadLetters();
      return TopicOffsets.of(admin, TopicOffsets.partitions(admin, topic), OffsetSpec.latest())
          .values()
          .stream()
          .mapToLong(Long::longValue)
          .sum();
    }
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static Connection asApp() throws Exception {
    return servers.owner().as("app", org.pgoffload.protocol.Secret.of("app")).connect("test");
  }

  private static String warnings() {
    synchronized (LOG) {
      return List.copyOf(LOG.list).stream()
          .filter(event -> event.getLevel().isGreaterOrEqual(Level.WARN))
          .map(ILoggingEvent::getFormattedMessage)
          .collect(Collectors.joining("\n"));
    }
  }
}
