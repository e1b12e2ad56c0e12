package org.pgoffload.results;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.dev.servers.kafka.TestBroker;
import org.pgoffload.operations.InstallTopics;
import org.pgoffload.operations.RecordPrimary;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultHead;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstalledDatabase;

/// A real PostgreSQL with the schema and a real Kafka. All test classes share one, in turn: its
/// start would be most of their time. It ends with the JVM.
final class TestInstallation {
  private static final AtomicInteger NEXT_PREFIX = new AtomicInteger();
  private static final AtomicLong NEXT_ID = new AtomicLong();

  /// The ids up to this one are claimed, as attempts 1 and 2.
  private static final int CLAIMED = 50_000;

  private static final AtomicLong NEXT_UNCLAIMED = new AtomicLong(CLAIMED);
  private static final int MAX_REQUEST_BYTES = 4 << 20;

  private final InstalledDatabase database = new InstalledDatabase(PostgresVersion.V18);
  private final TestBroker broker = TestBroker.shared();
  private TopicNames topics = new TopicNames("none");

  private TestInstallation() {
    execute("alter role pgoffload_results login");
    // as workers do before they publish anything
    execute(
        "insert into pgoffload.claim (id, attempt, worker, epoch, requested_by_oid) select i,"
            + " attempt, 'w', 1, 10 from generate_series(1, "
            + CLAIMED
            + ") i, generate_series(1, 2) attempt; analyze pgoffload.claim");
  }

  private static final class Shared {
    private static final TestInstallation INSTALLATION = new TestInstallation();
  }

  static TestInstallation shared() {
    return Shared.INSTALLATION;
  }

  /// New, empty topics, and so a new application.
  TopicNames newTopics() {
    broker.forgetTopics();
    topics = new TopicNames("test" + NEXT_PREFIX.incrementAndGet());
    InstallTopics.run(kafka(), topics, 2, (short) 1, MAX_REQUEST_BYTES, Duration.ofDays(7));
    // as install does for an installation that has no record yet
    execute("update pgoffload.setting set value = '' where name = 'control_topic'");
    RecordPrimary.install(admin(), kafka(), topics);
    return topics;
  }

  /// The server is another one from now on, as far as the parts can tell, and knows nothing of what
  /// was written back.
  void failOver() {
    // the token keeps a consumer that has not heard of it from recording where it was
    execute(
        "update pgoffload.consumer_position set next_offset = 0, token = pg_catalog.gen_random_uuid()");
    RecordPrimary.accept(admin(), kafka(), topics);
  }

  TopicNames topics() {
    return topics;
  }

  DatabaseAddress admin() {
    return database.address();
  }

  DatabaseAddress results() {
    return database.as("pgoffload_results");
  }

  Map<String, Object> kafka() {
    return broker.address();
  }

  ResultsConfiguration configuration(Path stateDirectory) {
    return new ResultsConfiguration(results(), topics, kafka(), stateDirectory);
  }

  void restartPostgres() {
    stopPostgres();
    startPostgres();
  }

  void stopPostgres() {
    database.server().stop();
  }

  void startPostgres() {
    database.server().startAgain();
  }

  void execute(String sql) {
    database.execute(sql);
  }

  /// The first row as text, its columns separated by a bar.
  String query(String sql) {
    return database.query(sql);
  }

  /// How many of these have exactly one row.
  long written(List<Result> results) throws SQLException {
    return Long.parseLong(
        query(
            "select count(*) from pgoffload.llm_result where id in ("
                + String.join(
                    ",", results.stream().map(result -> Long.toString(result.id())).toList())
                + ")"));
  }

  /// The first of so many ids that are claimed and have nothing else in the database.
  static long newIds(int count) {
    return NEXT_ID.getAndAdd(count) + 1;
  }

  /// An id that nobody has claimed.
  static long unclaimedId() {
    return NEXT_UNCLAIMED.incrementAndGet();
  }

  /// Claims a request for SQL.
  void claimSql(long id) throws SQLException {
    execute(
        "insert into pgoffload.claim (id, attempt, worker, epoch, requested_by_oid, token) values ("
            + id
            + ", 1, 'w', 1, 10, gen_random_uuid())");
  }

  void claim(long id, int attempt, long requestedByOid) throws SQLException {
    execute(
        "insert into pgoffload.claim (id, attempt, worker, epoch, requested_by_oid) values ("
            + id
            + ", "
            + attempt
            + ", 'w', 1, "
            + requestedByOid
            + ")");
  }

  static Result result(String answer) {
    return result(newIds(1), answer);
  }

  static Result result(long id, String answer) {
    return new Result(
        new ResultHead(1, id, "ask", "succeeded", "postgres", 10, null),
        new Result.Outcome(answer, null, null, "stop"),
        new Result.Origin("fake", "fake-1", null),
        new Result.Tokens(1L, 0L, 1L, 0L),
        new Result.Run(1, 1.0, 2.0, "w", "2026-01-02T03:04:05Z"),
        null,
        Result.Provenance.NONE,
        null);
  }

  static List<Result> results(int count) {
    var results = new ArrayList<Result>();
    for (int i = 0; i < count; i++) {
      results.add(result("answer"));
    }
    return results;
  }

  void send(List<Result> results) {
    broker.sendAll(
        results.stream()
            .map(result ->
                new ProducerRecord<>(
                    topics.results(),
                    result.recordKey().getBytes(StandardCharsets.UTF_8),
                    result.write()))
            .toList());
  }

  void send(String key, byte[] value) {
    send(topics.results(), key, value);
  }

  void send(String topic, String key, byte[] value) {
    send(topic, key, value, Map.of());
  }

  void send(String topic, String key, byte[] value, Map<String, byte[]> headers) {
    var record = new ProducerRecord<>(topic, key.getBytes(StandardCharsets.UTF_8), value);
    headers.forEach(record.headers()::add);
    send(record);
  }

  void send(ProducerRecord<byte[], byte[]> record) {
    broker.send(record);
  }

  /// Removes the records of a partition before an offset, as retention does.
  void trim(String topic, int partition, long before) {
    broker.trim(topic, partition, before);
  }

  /// Everything on a topic now, without what was not committed.
  List<ConsumerRecord<byte[], byte[]>> read(String topic) {
    return broker.read(topic);
  }

  /// The sum of the offsets on the results topic that the application has committed.
  long committed() {
    return committed(topics.results());
  }

  /// The sum of the offsets on a topic that the application has committed.
  long committed(String topic) {
    return broker.committed(topics.writeBack(), topic);
  }
}
