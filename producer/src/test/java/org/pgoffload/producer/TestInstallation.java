package org.pgoffload.producer;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.GeneralSecurityException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.dev.servers.kafka.TestBroker;
import org.pgoffload.operations.InstallSlot;
import org.pgoffload.operations.InstallTopics;
import org.pgoffload.operations.RecordPrimary;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstalledDatabase;
import org.pgoffload.telemetry.Telemetry;

/// A real PostgreSQL with the schema and a real Kafka, of one test class, with new topics and a new
/// slot for each test. It plays the application and the worker: it asks, and reads what was
/// published.
final class TestInstallation implements BeforeEachCallback, AfterAllCallback {
  static final String SLOT = "test";

  private static final AtomicInteger NEXT_PREFIX = new AtomicInteger();
  private static final int MAX_REQUEST_BYTES = 1 << 20;

  private final PostgresVersion version;
  private final TestBroker broker;
  private InstalledDatabase database;
  private TopicNames topics = new TopicNames("none");

  private TestInstallation(PostgresVersion version, TestBroker broker) {
    this.version = version;
    this.broker = broker;
    this.database = new InstalledDatabase(version);
    execute("alter role pgoffload_producer login password 'pgoffload_producer'");
  }

  static TestInstallation start(PostgresVersion version) {
    return new TestInstallation(version, TestBroker.shared());
  }

  /// With a broker that can be killed.
  static TestInstallation startWithBrokerProcess() {
    return new TestInstallation(PostgresVersion.V18, TestBroker.startProcess());
  }

  @Override
  public void beforeEach(ExtensionContext test) throws SQLException {
    renew();
  }

  private void renew() throws SQLException {
    broker.forgetTopics();
    topics = new TopicNames("test" + NEXT_PREFIX.incrementAndGet());
    InstallTopics.run(kafka(), topics, 2, (short) 1, MAX_REQUEST_BYTES, Duration.ofDays(7));
    recordPrimary();
    dropSlot();
    InstallSlot.run(admin(), SLOT, Duration.ofSeconds(20), line -> {});
  }

  /// As install does for an installation that has no record yet.
  private void recordPrimary() {
    execute("update pgoffload.setting set value = '' where name = 'control_topic'");
    RecordPrimary.install(admin(), kafka(), topics);
  }

  /// Also while it is being streamed from.
  void dropSlot() {
    execute(
        """
        do $$
        begin
          loop
            begin
              perform pg_terminate_backend(active_pid) from pg_replication_slots
              where slot_name = 'test' and active;
              perform pg_drop_replication_slot('test') from pg_replication_slots
              where slot_name = 'test';
              exit;
            exception when object_in_use then null;
            end;
          end loop;
        end $$\
        """);
  }

  TopicNames topics() {
    return topics;
  }

  DatabaseAddress admin() {
    return database.address();
  }

  /// Goes on in a new database with the schema and a new slot.
  void useNewDatabase(String name) throws SQLException {
    dropSlot();
    database.close();
    database = new InstalledDatabase(version, name);
    renew();
  }

  /// Makes a role of the whole server, which ends with the database.
  void createRole(String name, String options) {
    database.createRole(name, options);
  }

  DatabaseAddress producer() {
    return database.as("pgoffload_producer");
  }

  Map<String, Object> kafka() {
    return broker.address();
  }

  ProducerConfiguration configuration() {
    return new ProducerConfiguration(
        producer(), SLOT, topics, kafka(), ProducerConfiguration.DEFAULT_PAUSE);
  }

  ProducerApp startProducer() {
    return ProducerApp.start(configuration(), Telemetry.none());
  }

  void restartPostgres() {
    database.server().stop();
    database.server().startAgain();
  }

  /// A standby of what is there now, which hears of nothing later.
  PostgresServer startStandby() throws IOException, InterruptedException {
    database.server().stop();
    var primary = database.server().dataDirectory();
    var options = PostgresOptions.temporary("secret").withVersion(version);
    var data = options.directory().resolve(primary.getFileName());
    // with owners and modes
    var copying =
        new ProcessBuilder("cp", "-a", primary.toString(), data.toString()).inheritIO().start();
    if (copying.waitFor() != 0) {
      throw new IOException("the data were not copied");
    }
    Files.createFile(data.resolve("standby.signal"));
    database.server().startAgain();
    return PostgresServer.start(options);
  }

  void killKafka() {
    broker.kill();
  }

  void startKafka() {
    broker.startAgain();
  }

  void execute(String sql) {
    database.execute(sql);
  }

  /// The first row as text, its columns separated by a bar.
  String query(String sql) {
    return database.query(sql);
  }

  long insert(String prompt) throws SQLException {
    return Long.parseLong(
        query("insert into llm_request (prompt) values ('" + prompt + "') returning id"));
  }

  /// The ids that were published, in each partition's order.
  List<Long> publishedIds() {
    return published().stream().map(record -> Envelope.read(record.value()).id()).toList();
  }

  List<ConsumerRecord<byte[], byte[]>> published() {
    return read(topics.llmRequests());
  }

  List<ConsumerRecord<byte[], byte[]>> deadLetters() {
    return read(topics.deadLetters());
  }

  /// Whether the database signed exactly this value.
  boolean isSigned(ConsumerRecord<byte[], byte[]> record) throws SQLException {
    var signature = header(record, RecordHeaders.SIGNATURE).split(":", -1);
    var key =
        query(
            "select encode(key, 'hex') from pgoffload.signing_key where key_id = " + signature[0]);
    try {
      var mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(HexFormat.of().parseHex(key), "HmacSHA256"));
      return HexFormat.of().formatHex(mac.doFinal(record.value())).equals(signature[1]);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  static String header(ConsumerRecord<byte[], byte[]> record, String name) {
    return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
  }

  /// Reads requests on and on.
  Reader reader() {
    var consumer =
        new KafkaConsumer<>(kafka(), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    var partitions =
        consumer.partitionsFor(topics.llmRequests()).stream()
            .map(partition -> new TopicPartition(partition.topic(), partition.partition()))
            .toList();
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
    return new Reader(consumer);
  }

  /// A position among the requests.
  record Reader(KafkaConsumer<byte[], byte[]> consumer) implements AutoCloseable {
    /// Reads what came next.
    ///
    /// @param id is told each request's id
    /// @return how many they were
    int next(Consumer<Long> id) {
      int count = 0;
      for (var record : consumer.poll(Duration.ofMillis(50))) {
        id.accept(Envelope.read(record.value()).id());
        count++;
      }
      return count;
    }

    @Override
    public void close() {
      consumer.close();
    }
  }

  /// Everything on a topic now.
  List<ConsumerRecord<byte[], byte[]>> read(String topic) {
    return broker.read(topic);
  }

  @Override
  public void afterAll(ExtensionContext tests) {
    broker.close();
    dropSlot();
    database.close();
  }
}
