package org.pgoffload.producer;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.GeneralSecurityException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.pgoffload.dev.servers.BrokerInJvm;
import org.pgoffload.dev.servers.BrokerOptions;
import org.pgoffload.dev.servers.BrokerProcess;
import org.pgoffload.dev.servers.KafkaBroker;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.operations.InstallSlot;
import org.pgoffload.operations.InstallTopics;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.telemetry.Telemetry;

/// A real PostgreSQL with the schema and the slot and a real Kafka, of one test class, which plays
/// the application and the worker: it asks, and reads what was published.
final class TestInstallation implements AutoCloseable {
  static final String SLOT = "test";

  private static final String PASSWORD = "secret";
  private static final AtomicInteger NEXT_PREFIX = new AtomicInteger();
  private static final int MAX_REQUEST_BYTES = 1 << 20;

  private PostgresServer postgres;
  private KafkaBroker broker;
  private TopicNames topics = new TopicNames("none");
  private String database = "postgres";

  private TestInstallation(PostgresServer postgres, KafkaBroker broker) throws SQLException {
    this.postgres = postgres;
    this.broker = broker;
    InstallSchema.run(admin(), "public");
    execute("alter role pgoffload_producer login password '" + PASSWORD + "'");
  }

  static TestInstallation start(PostgresVersion version) throws SQLException {
    return new TestInstallation(
        PostgresServer.start(
            PostgresOptions.temporary(PASSWORD)
                .withVersion(version)
                .withSettings(Map.of("listen_addresses", "127.0.0.1,::1"))
                .withAuthentication(
                    List.of("host all,replication all ::1/128 scram-sha-256"), List.of())),
        BrokerInJvm.start(BrokerOptions.temporary()));
  }

  /// With a broker that can be killed.
  static TestInstallation startWithBrokerProcess() throws SQLException {
    return new TestInstallation(
        PostgresServer.start(PostgresOptions.temporary(PASSWORD)),
        BrokerProcess.start(BrokerOptions.temporary()));
  }

  /// New, empty topics and a new slot.
  void renew() throws SQLException {
    topics = new TopicNames("test" + NEXT_PREFIX.incrementAndGet());
    InstallTopics.run(kafka(), topics, 2, (short) 1, MAX_REQUEST_BYTES, Duration.ofDays(7));
    dropSlot();
    InstallSlot.run(admin(), SLOT, Duration.ofSeconds(20), line -> {});
  }

  /// Also while it is being streamed from.
  void dropSlot() throws SQLException {
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
    return new DatabaseAddress(
        postgres.host(), postgres.port(), database, "postgres", Secret.of(PASSWORD), Map.of());
  }

  /// Goes on in a new database with the schema.
  void useNewDatabase(String name) throws SQLException {
    execute("create database \"" + name + "\"");
    database = name;
    InstallSchema.run(admin(), "public");
  }

  DatabaseAddress producer() {
    return admin().as("pgoffload_producer", Secret.of(PASSWORD));
  }

  Map<String, Object> kafka() {
    return Map.of("bootstrap.servers", broker.bootstrapServers());
  }

  ProducerConfiguration configuration() {
    return new ProducerConfiguration(producer(), SLOT, topics, kafka());
  }

  ProducerApp startProducer() {
    return ProducerApp.start(configuration(), Telemetry.none());
  }

  void restartPostgres() {
    postgres.stopImmediately();
    postgres = PostgresServer.start(postgres.options());
  }

  /// A standby of what is there now, which hears of nothing later.
  PostgresServer startStandby() throws IOException, InterruptedException {
    postgres.stopImmediately();
    var options = PostgresOptions.temporary(PASSWORD).withVersion(postgres.options().version());
    var data =
        options
            .directory()
            .resolve(postgres.options().directory().relativize(postgres.dataDirectory()));
    // with owners and modes
    var copying =
        new ProcessBuilder("cp", "-a", postgres.dataDirectory().toString(), data.toString())
            .inheritIO()
            .start();
    if (copying.waitFor() != 0) {
      throw new IOException("the data were not copied");
    }
    Files.createFile(data.resolve("standby.signal"));
    postgres = PostgresServer.start(postgres.options());
    return PostgresServer.start(options);
  }

  void killKafka() {
    ((BrokerProcess) broker).kill();
  }

  void startKafka() {
    broker = BrokerProcess.start(broker.options());
  }

  private Map<String, Object> reading() {
    // a reader's last fetch finds nothing, and is waited for when it closes
    return Map.of("bootstrap.servers", broker.bootstrapServers(), "fetch.max.wait.ms", 10);
  }

  void execute(String sql) throws SQLException {
    try (var connection = admin().connect("test");
        var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /// The first column of the first row, as text.
  String query(String sql) throws SQLException {
    try (var connection = admin().connect("test");
        var statement = connection.createStatement();
        var row = statement.executeQuery(sql)) {
      row.next();
      return String.valueOf(row.getString(1));
    }
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
        new KafkaConsumer<>(reading(), new ByteArrayDeserializer(), new ByteArrayDeserializer());
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
    try (var consumer =
        new KafkaConsumer<>(reading(), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      var partitions =
          consumer.partitionsFor(topic).stream()
              .map(partition -> new TopicPartition(topic, partition.partition()))
              .toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      var ends = consumer.endOffsets(partitions);
      var records = new ArrayList<ConsumerRecord<byte[], byte[]>>();
      while (partitions.stream()
          .anyMatch(partition ->
              consumer.position(partition) < Objects.requireNonNull(ends.get(partition)))) {
        consumer.poll(Duration.ofMillis(50)).forEach(records::add);
      }
      return records;
    }
  }

  @Override
  public void close() {
    broker.close();
    postgres.close();
  }
}
