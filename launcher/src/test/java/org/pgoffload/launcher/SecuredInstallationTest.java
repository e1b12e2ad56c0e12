package org.pgoffload.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.launcher.Sql.execute;
import static org.pgoffload.launcher.Sql.query;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;
import java.sql.Connection;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.GroupAuthorizationException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.pgoffload.embedded.Certificates;
import org.pgoffload.producer.ProducerApp;
import org.pgoffload.results.ResultsApp;
import org.pgoffload.schema.InstallException;
import org.pgoffload.schema.KafkaRights.Part;
import org.pgoffload.schema.MaintenanceApp;
import org.pgoffload.schema.RecordCaptureBreak;
import org.pgoffload.worker.WorkerApp;
import org.pgoffload.worker.WorkerStartException;
import org.slf4j.LoggerFactory;

/// Every part with a login of its own: TLS with verification and a password to PostgreSQL, TLS with
/// verification and SCRAM to a broker that denies whatever [org.pgoffload.schema.KafkaRights] does
/// not list.
@Timeout(120)
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
    producer =
        ProducerApp.start(
            producerOf(servers.environment(Part.PRODUCER)), new SimpleMeterRegistry());
    results = ResultsApp.start(ReadConfiguration.results(settings(Part.RESULTS)));
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
            "pgoffload",
            Duration.ofSeconds(30),
            settings.kafka(),
            settings.topics(),
            2,
            (short) -1)
        .run(_ -> {});
  }

  private static org.pgoffload.producer.ProducerConfiguration producerOf(
      Map<String, String> environment) {
    return ReadConfiguration.producer(new Settings(environment));
  }

  private static WorkerApp startWorker(Map<String, String> environment) {
    var configuration = ReadConfiguration.worker(new Settings(environment));
    return WorkerApp.start(configuration.worker(), configuration.providers());
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
          .until(() -> query(app, "select count(*)::text from llm_usage").equals(List.of("1")));
      var id = query(app, "select llm_submit('once more', tags => '{}')").getFirst();
      assertThat(query(app, "select status from llm_wait(array[" + id + "], '20 s')"))
          .containsExactly("succeeded");
    }
    assertThat(install(servers.environment(Part.INSTALL))).isEmpty();
    assertThat(MaintenanceApp.once(ReadConfiguration.maintenance(settings(Part.MAINTAIN))))
        .isEmpty();
    // the producer sees how far everybody has come
    RecordCaptureBreak.plan(servers.owner(), "test");
    RecordCaptureBreak.complete(servers.owner());
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() ->
            query(
                    owner,
                    "select worked_off::text from pgoffload.capture_break where swept_at is not null")
                .equals(List.of("true")));
    readsDownstream();
    assertThat(warnings()).doesNotContain("uthoriz");
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
        id =
            query(app, "insert into llm_request (prompt) values ('patience') returning id")
                .getFirst();
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
    try (var app = ProducerApp.start(wrongProducer, new SimpleMeterRegistry())) {
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
