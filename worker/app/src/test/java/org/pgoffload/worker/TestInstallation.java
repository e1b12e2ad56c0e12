package org.pgoffload.worker;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.dev.servers.kafka.TestBroker;
import org.pgoffload.operations.InstallTopics;
import org.pgoffload.operations.RecordPrimary;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstalledDatabase;
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

  private static final AtomicInteger NEXT_PREFIX = new AtomicInteger();
  private static final AtomicLong NEXT_ID = new AtomicLong();
  private static final int MAX_REQUEST_BYTES = 1 << 20;

  private final InstalledDatabase database = new InstalledDatabase(PostgresVersion.V18);
  private final TestBroker broker;
  private TopicNames topics = new TopicNames("none");

  private TestInstallation(TestBroker broker) {
    this.broker = broker;
    execute("alter role pgoffload_worker login");
    execute("update pgoffload.setting set value = '1500 ms' where name = 'worker_dead_after'");
    // the ids of newId() count as drawn
    execute("select setval('pgoffload.request_id', 1000000)");
  }

  public static TestInstallation start() {
    return new TestInstallation(TestBroker.shared());
  }

  /// With a broker that can be killed.
  public static TestInstallation startWithBrokerProcess() {
    return new TestInstallation(TestBroker.startProcess());
  }

  /// New, empty topics, and so a new consumer group.
  public TopicNames newTopics(int partitions) {
    broker.forgetTopics();
    topics = new TopicNames("test" + NEXT_PREFIX.incrementAndGet());
    InstallTopics.run(
        kafka(), topics, partitions, (short) 1, MAX_REQUEST_BYTES, Duration.ofDays(7));
    // as install does for an installation that has no record yet
    execute("update pgoffload.setting set value = '' where name = 'control_topic'");
    RecordPrimary.install(admin(), kafka(), topics);
    return topics;
  }

  /// The server is another one from now on, as far as the parts can tell, and knows nothing of what
  /// consumers have done.
  public void failOver() {
    // the token keeps a consumer that has not heard of it from recording where it was
    execute(
        "update pgoffload.consumer_position set next_offset = 0, token = pg_catalog.gen_random_uuid()");
    RecordPrimary.accept(admin(), kafka(), topics);
  }

  /// Has a topic keep the time that its records name, in place of the one at which it got them.
  public void letRecordsNameTheirTime(String topic) throws Exception {
    var createTime = new ConfigEntry(TopicConfig.MESSAGE_TIMESTAMP_TYPE_CONFIG, "CreateTime");
    broker
        .admin()
        .incrementalAlterConfigs(
            Map.of(
                new ConfigResource(ConfigResource.Type.TOPIC, topic),
                List.of(new AlterConfigOp(createTime, AlterConfigOp.OpType.SET))))
        .all()
        .get();
    // the broker obeys a change a little after it has said yes, but before it obeys the next one
    var next = topics.prefix() + ".next";
    broker.admin().createTopics(List.of(new NewTopic(next, 1, (short) 1))).all().get();
    broker.send(new ProducerRecord<>(next, new byte[0]));
  }

  public TopicNames topics() {
    return topics;
  }

  public DatabaseAddress admin() {
    return database.address();
  }

  public DatabaseAddress worker() {
    return database.as("pgoffload_worker");
  }

  /// With a session that is shorter than Kafka's default heartbeat.
  public Map<String, Object> kafka() {
    var client = new HashMap<>(broker.address());
    client.put("session.timeout.ms", 3000);
    return client;
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
    database.server().stop();
  }

  public void startPostgres() {
    database.server().startAgain();
  }

  public void killKafka() {
    broker.kill();
  }

  public void startKafka() {
    broker.startAgain();
  }

  /// Makes a role of the whole server, which ends with this installation.
  public void createLogin(String role) {
    database.createRole(role, "login");
  }

  public void execute(String sql) {
    database.execute(sql);
  }

  /// The first row as text, its columns separated by a bar.
  public String query(String sql) {
    return database.query(sql);
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
     "installation": "%s", "nonce": "%s", "signed_at_us": %d, "timeout_ms": %d,
     "requested_by": {"user": "postgres", "user_oid": 10, "session_user": "postgres",
                      "session_user_oid": 10, "role": "none"},
     "payload": {"prompt": "%s"}}\
    """
        .formatted(
            id,
            kind,
            query("select id from pgoffload.installation"),
            new UUID(0, id),
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
    var records = new ArrayList<ProducerRecord<byte[], byte[]>>();
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
      records.add(record);
    }
    broker.sendAll(records);
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
    broker.send(record);
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

  /// Removes the requests before an offset, as retention does.
  public void trimRequests(long before) {
    broker.trim(topics.llmRequests(), 0, before);
  }

  /// Everything on a topic now.
  public List<ConsumerRecord<byte[], byte[]>> read(String topic) {
    return broker.read(topic);
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
    try {
      broker
          .admin()
          .deleteConsumerGroups(List.of(topics.prefix() + ".worker." + lane))
          .all()
          .get(10, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /// What the results application commits when everything on the topic is in the database.
  public void commitResults() {
    broker.commitAll(topics.writeBack(), topics.results());
  }

  /// Results of others, as many as wait when the results application has been away for long.
  public void publishResultsOfOthers(int count) {
    var records = new ArrayList<ProducerRecord<byte[], byte[]>>();
    for (int i = 0; i < count; i++) {
      var id = Long.toString(10_000_000L + i);
      var result =
          """
          {"version":1,"id":%s,"kind":"ask","status":"succeeded","requested_by":"x",\
          "requested_by_oid":10,"answer":"%s","attempts":1,"finished_at":"2026-01-01T00:00:00Z"}\
          """
              .formatted(id, "words ".repeat(100));
      records.add(
          new ProducerRecord<>(
              topics.results(),
              id.getBytes(StandardCharsets.UTF_8),
              result.getBytes(StandardCharsets.UTF_8)));
    }
    broker.sendAll(records);
  }

  /// Removes what lies on the first partition of a topic, as an administrator may.
  public void removeRecords(String topic) throws Exception {
    broker
        .admin()
        .deleteRecords(Map.of(new TopicPartition(topic, 0), RecordsToDelete.beforeOffset(-1)))
        .all()
        .get(10, TimeUnit.SECONDS);
  }

  /// The sum of the offsets that the workers have committed.
  public long committed() {
    return committed("llm");
  }

  /// The same of one lane.
  public long committed(String lane) {
    return broker.committed(topics.prefix() + ".worker." + lane).values().stream()
        .mapToLong(OffsetAndMetadata::offset)
        .sum();
  }

  @Override
  public void close() {
    broker.close();
    database.close();
  }
}
