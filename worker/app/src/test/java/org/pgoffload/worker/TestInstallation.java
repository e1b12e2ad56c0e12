package org.pgoffload.worker;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.pgoffload.dev.servers.BrokerInJvm;
import org.pgoffload.dev.servers.BrokerOptions;
import org.pgoffload.dev.servers.BrokerProcess;
import org.pgoffload.dev.servers.KafkaBroker;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.operations.InstallTopics;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.worker.delivery.DeliverySettings;
import org.pgoffload.worker.delivery.TestRequests;
import org.pgoffload.worker.llm.LlmSettings;
import org.pgoffload.worker.llm.calls.CallLimits;
import org.pgoffload.worker.llm.calls.CallSettings;

/// A real PostgreSQL with the schema and a real Kafka, of one test class, which plays producer and
/// results application: it signs requests, sends them, and writes results back.
public final class TestInstallation implements AutoCloseable {
  /// Failures are tried again soon.
  public static final CallSettings CALLS =
      new CallSettings(
          3,
          Duration.ofMillis(5),
          Duration.ofMillis(20),
          Duration.ofMinutes(1),
          Duration.ofMillis(3),
          CallLimits.NONE,
          Map.of());

  private static final String PASSWORD = "secret";
  private static final AtomicInteger NEXT_PREFIX = new AtomicInteger();
  private static final AtomicLong NEXT_ID = new AtomicLong();
  private static final int MAX_REQUEST_BYTES = 1 << 20;

  private PostgresServer postgres;
  private KafkaBroker broker;
  private Producer<byte[], byte[]> producer;
  private TopicNames topics = new TopicNames("none");

  private TestInstallation(PostgresServer postgres, KafkaBroker broker) throws SQLException {
    this.postgres = postgres;
    this.broker = broker;
    this.producer = producer(broker);
    InstallSchema.run(admin(), "public");
    execute("alter role pgoffload_worker login password '" + PASSWORD + "'");
    execute("update pgoffload.setting set value = '1500 ms' where name = 'worker_dead_after'");
    // the ids of newId() count as drawn
    execute("select setval('pgoffload.request_id', 1000000)");
  }

  public static TestInstallation start() throws SQLException {
    return new TestInstallation(startPostgresAnew(), BrokerInJvm.start(brokerOptions()));
  }

  /// Where alice and bob log in without a password.
  private static PostgresServer startPostgresAnew() {
    return PostgresServer.start(
        PostgresOptions.temporary(PASSWORD)
            .withAuthentication(List.of("host all alice,bob 127.0.0.1/32 trust"), List.of()));
  }

  /// With a broker that can be killed.
  public static TestInstallation startWithBrokerProcess() throws SQLException {
    return new TestInstallation(startPostgresAnew(), BrokerProcess.start(brokerOptions()));
  }

  private static BrokerOptions brokerOptions() {
    // a worker that joins learns its partitions with its next heartbeat
    return BrokerOptions.temporary()
        .withSettings(
            Map.of(
                "group.consumer.min.heartbeat.interval.ms", "100",
                "group.consumer.heartbeat.interval.ms", "100"));
  }

  /// New, empty topics, and so a new consumer group.
  public TopicNames newTopics(int partitions) {
    topics = new TopicNames("test" + NEXT_PREFIX.incrementAndGet());
    InstallTopics.run(
        kafka(), topics, partitions, (short) 1, MAX_REQUEST_BYTES, Duration.ofDays(7));
    return topics;
  }

  /// Has a topic keep the time that its records name, in place of the one at which it got them.
  public void letRecordsNameTheirTime(String topic) throws Exception {
    try (var admin = Admin.create(kafka())) {
      var createTime = new ConfigEntry(TopicConfig.MESSAGE_TIMESTAMP_TYPE_CONFIG, "CreateTime");
      admin
          .incrementalAlterConfigs(
              Map.of(
                  new ConfigResource(ConfigResource.Type.TOPIC, topic),
                  List.of(new AlterConfigOp(createTime, AlterConfigOp.OpType.SET))))
          .all()
          .get();
    }
  }

  public TopicNames topics() {
    return topics;
  }

  public DatabaseAddress admin() {
    return new DatabaseAddress(
        postgres.host(), postgres.port(), "postgres", "postgres", Secret.of(PASSWORD), Map.of());
  }

  public DatabaseAddress worker() {
    return admin().as("pgoffload_worker", Secret.of(PASSWORD));
  }

  public Map<String, Object> kafka() {
    return Map.of("bootstrap.servers", broker.bootstrapServers());
  }

  public WorkerConfiguration configuration(String name) {
    return new WorkerConfiguration(
        worker(),
        new DeliverySettings(
            name, "test", topics, kafka(), 2000, 256 << 20, DeliverySettings.DEFAULT_DRAIN),
        new LlmSettings(2000, LlmSettings.DEFAULT_DEFER_AFTER, CALLS),
        null);
  }

  public void stopPostgres() {
    postgres.stopImmediately();
  }

  public void startPostgres() {
    postgres = PostgresServer.start(postgres.options());
  }

  public void killKafka() {
    producer.close(Duration.ZERO);
    ((BrokerProcess) broker).kill();
  }

  public void startKafka() {
    broker = BrokerProcess.start(broker.options());
    producer = producer(broker);
  }

  private Map<String, Object> reading() {
    // a reader's last fetch finds nothing, and is waited for when it closes
    return Map.of("bootstrap.servers", broker.bootstrapServers(), "fetch.max.wait.ms", 10);
  }

  public void execute(String sql) throws SQLException {
    try (var connection = admin().connect("test");
        var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /// The first column of the first row, as text.
  public String query(String sql) throws SQLException {
    try (var connection = admin().connect("test");
        var statement = connection.createStatement();
        var row = statement.executeQuery(sql)) {
      row.next();
      return String.valueOf(row.getString(1));
    }
  }

  public long newId() {
    return NEXT_ID.incrementAndGet();
  }

  /// The JSON of an envelope, as the database writes it.
  public String envelope(long id, String prompt) throws SQLException {
    return envelope(id, "ask", prompt, Instant.now(), Duration.ofMinutes(5));
  }

  public String envelope(long id, String kind, String prompt, Instant signedAt, Duration timeout)
      throws SQLException {
    return """
    {"version": 1, "id": %d, "kind": "%s", "ordering_key": null, "immediate": false,
     "installation": "%s", "nonce": "n", "signed_at_us": %d, "timeout_ms": %d,
     "requested_by": {"user": "postgres", "user_oid": 10, "session_user": "postgres",
                      "session_user_oid": 10, "role": "none"},
     "payload": {"prompt": "%s"}}\
    """
        .formatted(
            id,
            kind,
            query("select id from pgoffload.installation"),
            signedAt.toEpochMilli() * 1000,
            timeout.toMillis(),
            prompt);
  }

  /// `<key id>:<mac>` with the key that signs now.
  public String signature(String envelope) throws SQLException {
    var keyId = query("select max(key_id) from pgoffload.signing_key where retired_at is null");
    return keyId
        + ":"
        + TestRequests.mac(
            query("select encode(key, 'hex') from pgoffload.signing_key where key_id = " + keyId),
            envelope);
  }

  /// Sends a signed request and returns its id.
  public long ask(String prompt) throws SQLException {
    var id = newId();
    ask(id, prompt);
    return id;
  }

  public void ask(long id, String prompt) throws SQLException {
    var envelope = envelope(id, prompt);
    send(Long.toString(id), envelope.getBytes(StandardCharsets.UTF_8), signature(envelope));
  }

  /// Sends a request of any kind and payload, which its claim records; returns its id.
  public long askAtOnce(String kind, String payload) throws SQLException {
    var id = newId();
    var envelope =
        envelope(id, kind, "", Instant.now(), Duration.ofMinutes(5))
            .replace("\"immediate\": false", "\"immediate\": true")
            .replace("{\"prompt\": \"\"}", payload);
    send(Long.toString(id), envelope.getBytes(StandardCharsets.UTF_8), signature(envelope));
    return id;
  }

  /// Sends the command to cancel a request.
  public void cancel(long id) throws SQLException {
    var envelope = envelope(id, "cancel", "", Instant.now(), Duration.ofMinutes(5));
    send(
        topics.commands(),
        Long.toString(id),
        envelope.getBytes(StandardCharsets.UTF_8),
        signature(envelope));
  }

  /// Sends the commands to cancel many.
  public void cancelMany(List<Long> ids) throws SQLException {
    var template = envelope(4711, "cancel", "", Instant.now(), Duration.ofMinutes(5));
    var key =
        query("select encode(key, 'hex') from pgoffload.signing_key order by key_id desc limit 1");
    var keyId = query("select max(key_id) from pgoffload.signing_key");
    for (long id : ids) {
      var envelope = template.replace("4711", Long.toString(id));
      var record =
          new ProducerRecord<byte[], byte[]>(
              topics.commands(), envelope.getBytes(StandardCharsets.UTF_8));
      record
          .headers()
          .add(
              RecordHeaders.SIGNATURE,
              (keyId + ":" + TestRequests.mac(key, envelope)).getBytes(StandardCharsets.UTF_8));
      var _ = producer.send(record);
    }
    producer.flush();
  }

  /// Sends many at once, each of which asks its own id.
  public List<Long> askMany(int count) throws SQLException {
    var ids = new ArrayList<Long>();
    for (int i = 0; i < count; i++) {
      ids.add(newId());
    }
    var template = envelope(4711, "4711");
    var key =
        query("select encode(key, 'hex') from pgoffload.signing_key order by key_id desc limit 1");
    var keyId = query("select max(key_id) from pgoffload.signing_key");
    for (long id : ids) {
      var envelope = template.replace("4711", Long.toString(id));
      send(
          Long.toString(id),
          envelope.getBytes(StandardCharsets.UTF_8),
          keyId + ":" + TestRequests.mac(key, envelope));
    }
    return ids;
  }

  /// Sends an envelope with its signature.
  public void send(String envelope) throws SQLException {
    send("k", envelope.getBytes(StandardCharsets.UTF_8), signature(envelope));
  }

  /// Sends whatever others may write to a topic.
  public void send(ProducerRecord<byte[], byte[]> record) {
    try {
      producer.send(record).get();
    } catch (ExecutionException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  public void send(String key, byte[] value, String signature) {
    send(topics.llmRequests(), key, value, signature);
  }

  public void send(String topic, String key, byte[] value, String signature) {
    send(topic, key, value, signature, Instant.now());
  }

  /// Sends a record with a time and a signature of its own.
  ///
  /// @param published when, by the record's own word
  public void send(String topic, String key, byte[] value, String signature, Instant published) {
    var record =
        new ProducerRecord<>(
            topic, null, published.toEpochMilli(), key.getBytes(StandardCharsets.UTF_8), value);
    if (!signature.isEmpty()) {
      record.headers().add(RecordHeaders.SIGNATURE, signature.getBytes(StandardCharsets.UTF_8));
    }
    send(record);
  }

  /// Everything on a topic now.
  public List<ConsumerRecord<byte[], byte[]>> read(String topic) {
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

  public List<Result> results() {
    return read(topics.results()).stream().map(record -> Result.read(record.value())).toList();
  }

  public List<Long> answeredIds() {
    return results().stream().map(Result::id).toList();
  }

  public Result resultOf(long id) {
    return results().stream().filter(result -> result.id() == id).findFirst().orElseThrow();
  }

  /// What the results application does.
  public void writeBack() throws SQLException {
    try (var connection = admin().connect("test");
        var statement =
            connection.prepareStatement(
                "select written from pgoffload.write_back(?, '{}', '{}', '{}', '{}', false)")) {
      var messages =
          results().stream()
              .map(result -> new String(result.write(), StandardCharsets.UTF_8))
              .toArray();
      statement.setArray(1, connection.createArrayOf("text", messages));
      statement.execute();
    }
  }

  /// What a worker leaves that dies before it commits: its group begins anew.
  public void forgetCommitted(String lane) {
    try (var admin = Admin.create(kafka())) {
      admin
          .deleteConsumerGroups(List.of(topics.prefix() + ".worker." + lane))
          .all()
          .get(10, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /// What the results application commits when everything on the topic is in the database.
  public void commitResults() {
    try (var consumer =
        new KafkaConsumer<>(
            Map.of("bootstrap.servers", broker.bootstrapServers(), "group.id", topics.writeBack()),
            new ByteArrayDeserializer(),
            new ByteArrayDeserializer())) {
      var partitions =
          consumer.partitionsFor(topics.results()).stream()
              .map(partition -> new TopicPartition(topics.results(), partition.partition()))
              .toList();
      consumer.assign(partitions);
      consumer.commitSync(
          consumer.endOffsets(partitions).entrySet().stream()
              .collect(
                  Collectors.toMap(
                      Map.Entry::getKey, end -> new OffsetAndMetadata(end.getValue()))));
    }
  }

  /// Results of others, as many as wait when the results application has been away for long.
  public void publishResultsOfOthers(int count) {
    for (int i = 0; i < count; i++) {
      var id = Long.toString(10_000_000L + i);
      var result =
          """
          {"version":1,"id":%s,"kind":"ask","status":"succeeded","requested_by":"x",\
          "requested_by_oid":10,"answer":"%s","attempts":1,"finished_at":"2026-01-01T00:00:00Z"}\
          """
              .formatted(id, "words ".repeat(100));
      var _ =
          producer.send(
              new ProducerRecord<>(
                  topics.results(),
                  id.getBytes(StandardCharsets.UTF_8),
                  result.getBytes(StandardCharsets.UTF_8)));
    }
    producer.flush();
  }

  /// The sum of the offsets that the workers have committed.
  public long committed() {
    return committed("llm");
  }

  /// The same of one lane.
  public long committed(String lane) {
    try (var admin = Admin.create(kafka())) {
      return admin
          .listConsumerGroupOffsets(topics.prefix() + ".worker." + lane)
          .partitionsToOffsetAndMetadata()
          .get()
          .values()
          .stream()
          .filter(Objects::nonNull)
          .mapToLong(offset -> offset.offset())
          .sum();
    } catch (ExecutionException e) {
      return 0; // there is no group yet
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Producer<byte[], byte[]> producer(KafkaBroker broker) {
    return new KafkaProducer<>(
        Map.of(
            "bootstrap.servers",
            broker.bootstrapServers(),
            "linger.ms",
            0,
            // As the parts have it: of several in flight, a first batch that has to be sent again
            // (its leader is not known yet) is refused for ever once the second one was taken.
            "max.in.flight.requests.per.connection",
            1,
            "max.request.size",
            32 << 20),
        new ByteArraySerializer(),
        new ByteArraySerializer());
  }

  @Override
  public void close() {
    producer.close(Duration.ZERO);
    broker.close();
    postgres.close();
  }
}
