package org.pgoffload.results;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.results.TestInstallation.result;
import static org.pgoffload.results.TestInstallation.results;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultMessage;
import org.pgoffload.protocol.SqlRows;
import org.pgoffload.protocol.Withdrawal;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.Telemetry;
import org.postgresql.PGConnection;

final class ResultsAppTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private static final TestInstallation installation = TestInstallation.shared();

  @TempDir Path directory;

  @BeforeEach
  void emptyTopics() {
    installation.newTopics();
  }

  @Test
  void writesResultsAndCommitsThem() throws Exception {
    var results = results(100);
    installation.send(results);
    try (var app = start()) {
      app.awaitRunning(PATIENCE);
      awaitWritten(results, 100);
      await().atMost(PATIENCE).until(() -> installation.committed() == 100);
    }
  }

  /// The guard of docs' promise that the offset commit waits for the writer.
  @Test
  void offsetsNeverPassWhatIsNotInTheDatabase() throws Exception {
    var before = results(10);
    var blocked = results(500);
    var app = start();
    try (var blocker = installation.admin().connect("test");
        var statement = blocker.createStatement()) {
      installation.send(before);
      await().atMost(PATIENCE).until(() -> installation.committed() == 10);
      blocker.setAutoCommit(false);
      statement.execute("lock table pgoffload.llm_result in exclusive mode");
      installation.send(blocked);
      // many commit intervals
      await()
          .during(Duration.ofSeconds(2))
          .atMost(PATIENCE)
          .until(() -> installation.committed() == 10);
      // without the flush that a last commit would wait for
      app.close();
      assertThat(installation.committed()).isEqualTo(10);
      blocker.rollback();
    } finally {
      app.close();
    }
    try (var _ = start()) {
      awaitWritten(blocked, 500);
      await().atMost(PATIENCE).until(() -> installation.committed() == 510);
    }
  }

  @Test
  void theDatabaseMayBeAwayAndOffsetsWaitForIt() throws Exception {
    try (var app = start()) {
      app.awaitRunning(PATIENCE);
      installation.stopPostgres();
      var during = results(50);
      installation.send(during);
      await()
          .during(Duration.ofMillis(500))
          .atMost(PATIENCE)
          .until(() -> installation.committed() == 0);
      installation.startPostgres();
      awaitWritten(during, 50);
      await().atMost(PATIENCE).until(() -> installation.committed() == 50);
    }
  }

  @Test
  void writesAgainWhatAFailOverHasLostAndWithdrawsWhatStandsForNothing() throws Exception {
    long kept = TestInstallation.unclaimedId();
    long gone = TestInstallation.unclaimedId();
    long task = TestInstallation.unclaimedId();
    var nonce = new UUID(0, kept);
    for (long id : List.of(kept, gone)) {
      installation.claim(id, 1, 10);
    }
    installation.execute(
        "insert into pgoffload.sql_result (id, status, requested_by_oid, attempt, finished_at) values ("
            + task
            + ", 'succeeded', 10, 1, now())");
    installation.execute(
        "insert into llm_request (id, prompt, requested_by, requested_by_oid, nonce, created_xid)"
            + " values (%d, 'p', 'postgres', 10, '%s', '3')".formatted(kept, nonce));
    try (var _ = start()) {
      for (long id : List.of(kept, gone)) {
        var result = TestInstallation.result(id, "answer " + id);
        var told = new String(result.write(), StandardCharsets.UTF_8);
        installation.send(
            result.recordKey(),
            told.replaceFirst("\\{", "{\"nonce\":\"" + new UUID(0, id) + "\",")
                .getBytes(StandardCharsets.UTF_8));
      }
      installation.send(
          Long.toString(task),
          ("{\"version\":1,\"id\":%d,\"kind\":\"sql\",\"status\":\"succeeded\",\"requested_by\":\"postgres\","
                  + "\"requested_by_oid\":10,\"attempt\":1,\"tags\":[],\"chunks\":0,\"split\":false,"
                  + "\"finished_at\":\"2026-01-02T03:04:05Z\"}")
              .formatted(task)
              .getBytes(StandardCharsets.UTF_8));
      await().atMost(PATIENCE).until(() -> installation.committed() == 3);
      installation.execute(
          "delete from pgoffload.llm_result where id in (%d, %d)".formatted(kept, gone));
      installation.execute(
          "delete from pgoffload.claim where id in (%d, %d)".formatted(kept, gone));
      installation.execute("delete from pgoffload.sql_result where id = " + task);

      installation.failOver();

      await().atMost(PATIENCE).until(() -> withdrawn().size() == 2);
      assertThat(withdrawn())
          .extracting(Withdrawal::id, Withdrawal::nonce)
          .containsExactlyInAnyOrder(tuple(gone, new UUID(0, gone)), tuple(task, null));
      assertThat(installation.query("select answer from pgoffload.llm_result where id = " + kept))
          .isEqualTo("answer " + kept);
      // nothing of it is a dead letter, and what comes afterwards is written
      assertThat(installation.read(installation.topics().deadLetters())).isEmpty();
      var after = results(1);
      installation.send(after);
      awaitWritten(after, 1);
    }
    assertThat(installation.query("select count(*) from pgoffload.unclaimed_result"))
        .isEqualTo("0");
  }

  @Test
  void whatIsBeingWrittenWhileTheDatabaseFailsOverIsNoDeadLetter() throws Exception {
    long id = TestInstallation.unclaimedId();
    installation.claim(id, 1, 10);
    installation.execute(
        "insert into llm_request (id, prompt, requested_by, requested_by_oid, nonce, created_xid)"
            + " values (%d, 'p', 'postgres', 10, '%s', '3')".formatted(id, new UUID(0, id)));
    try (var _ = start();
        var holder = installation.admin().connect("holder")) {
      var before = results(1);
      installation.send(before);
      awaitWritten(before, 1);
      holder.setAutoCommit(false);
      try (var statement = holder.createStatement()) {
        statement.execute(
            "insert into pgoffload.llm_result (id, kind, status, requested_by_oid, attempts, finished_at)"
                + " values (%d, 'ask', 'succeeded', 10, 1, now())".formatted(id));
        installation.send(
            Long.toString(id),
            new String(TestInstallation.result(id, "paid for").write(), StandardCharsets.UTF_8)
                .replaceFirst("\\{", "{\"nonce\":\"" + new UUID(0, id) + "\",")
                .getBytes(StandardCharsets.UTF_8));
        await()
            .atMost(PATIENCE)
            .until(() ->
                installation
                    .query(
                        "select count(*) from pg_stat_activity where application_name ="
                            + " 'pgoffload results' and wait_event_type = 'Lock'")
                    .equals("1"));
        installation.execute("delete from pgoffload.claim where id = " + id);
        installation.failOver();
        holder.rollback();
      }
      await()
          .atMost(PATIENCE)
          .until(() ->
              installation
                  .query("select max(answer) from pgoffload.llm_result where id = " + id)
                  .equals("paid for"));
    }
    assertThat(installation.read(installation.topics().deadLetters())).isEmpty();
  }

  private List<Withdrawal> withdrawn() {
    return installation.read(installation.topics().results()).stream()
        .flatMap(record -> {
          if (ResultMessage.read(record.value()) instanceof Withdrawal withdrawal) {
            assertThat(record.offset()).isGreaterThan(withdrawal.offset());
            return Stream.of(withdrawal);
          }
          return Stream.empty();
        })
        .toList();
  }

  /// Kafka Streams, by which results were written before, and a plain consumer are never members of
  /// one group.
  @Test
  void goesOnWhereTheApplicationOfKafkaStreamsHasStopped() throws Exception {
    var before = results(10);
    var after = results(10);
    installation.send(before);
    var builder = new StreamsBuilder();
    var bytes = Serdes.ByteArray();
    builder.stream(installation.topics().results(), Consumed.with(bytes, bytes))
        .foreach((_, _) -> {});
    var earlier = new KafkaStreams(builder.build(), earlierProperties());
    try (var _ = closing(earlier)) {
      earlier.start();
      await().atMost(PATIENCE).until(() -> installation.committed() == 10);
      try (var app = start()) {
        installation.send(after);
        await().atMost(PATIENCE).until(() -> installation.committed() == 20);
        assertThat(app.health().ready()).isFalse();
        assertThat(installation.written(after)).isZero();
        earlier.close(
            CloseOptions.groupMembershipOperation(
                CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
        app.awaitRunning(PATIENCE);
        var now = results(10);
        installation.send(now);
        awaitWritten(now, 10);
        assertThat(installation.written(before)).isZero();
        assertThat(app.health().ready()).isTrue();
      }
    }
  }

  private Properties earlierProperties() {
    var properties = new Properties();
    properties.putAll(installation.kafka());
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, installation.topics().writeBack());
    properties.put(StreamsConfig.STATE_DIR_CONFIG, directory.resolve("earlier").toString());
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    properties.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    return properties;
  }

  private static AutoCloseable closing(KafkaStreams streams) {
    return streams;
  }

  @Test
  void twoApplicationsShareThePartitionsAndLoseNothing() throws Exception {
    var all = new ArrayList<Result>();
    var first = start("first");
    try (var _ = start("second")) {
      for (int round = 0; round < 20; round++) {
        var some = results(50);
        installation.send(some);
        all.addAll(some);
        if (round == 10) {
          first.close();
        }
      }
      awaitWritten(all, 1000);
      await().atMost(PATIENCE).until(() -> installation.committed() == 1000);
      try (var _ = start("third")) {
        var some = results(50);
        installation.send(some);
        awaitWritten(some, 50);
      }
    } finally {
      first.close();
    }
  }

  @Test
  void isBackWhereRetentionHasRemovedAllThatItGoesBackTo() throws Exception {
    var topic = installation.topics().results();
    try (var _ = start()) {
      for (int i = 0; i < 2; i++) {
        installation.send(new ProducerRecord<>(topic, 0, utf8("k"), result("removed").write()));
      }
      await().atMost(PATIENCE).until(() -> positions(topic).equals("2 0"));
    }
    installation.trim(topic, 0, 2);
    installation.failOver();
    try (var _ = start()) {
      await().atMost(PATIENCE).until(() -> positions(topic).equals("2 0"));
    }
    assertThat(installation.query("select pgoffload.is_repeated(array['" + topic + "'])"))
        .isEqualTo("t");
  }

  @Test
  void recordsNoPositionOfAPartitionThatAnotherHasByNow() throws Exception {
    var results = installation.topics().results();
    var pieces = installation.topics().pieces();
    var properties = WriterProperties.of(installation.configuration(directory));
    try (var _ = start();
        var other = new KafkaConsumer<byte[], byte[]>(properties)) {
      for (int partition = 0; partition < 2; partition++) {
        installation.send(new ProducerRecord<>(results, partition, utf8("k"), utf8("no result")));
      }
      await().atMost(PATIENCE).until(() -> positions(results).equals("1 1"));
      other.subscribe(List.of(results));
      await()
          .atMost(PATIENCE)
          .until(() -> {
            other.poll(Duration.ofMillis(10));
            return other.assignment().size() == 2;
          });
      // as the other one has recorded them
      installation.execute(
          "update pgoffload.consumer_position set next_offset = 0 where topic = '" + results + "'");
      installation.send(new ProducerRecord<>(pieces, 0, utf8("k"), utf8("no piece")));
      await().atMost(PATIENCE).until(() -> positions(pieces).equals("1 0"));
      assertThat(positions(results)).isEqualTo("0 0");
    }
  }

  private static String positions(String topic) throws SQLException {
    return installation.query(
        "select coalesce(string_agg(next_offset::text, ' ' order by partition), '')"
            + " from pgoffload.consumer_position where topic = '"
            + topic
            + "'");
  }

  @Test
  void closesInTimeWhileTheDatabaseIsAwayAndLosesNothing() throws Exception {
    var during = results(50);
    var app = start();
    app.awaitRunning(PATIENCE);
    installation.stopPostgres();
    installation.send(during);
    try {
      await()
          .during(Duration.ofMillis(300))
          .atMost(PATIENCE)
          .until(() -> installation.committed() == 0);
      long before = System.nanoTime();
      app.close();
      assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(Duration.ofSeconds(30));
      assertThat(installation.committed()).isZero();
    } finally {
      installation.startPostgres();
    }
    try (var _ = start()) {
      awaitWritten(during, 50);
    }
  }

  @Test
  void whatIsNoResultGoesToTheDeadLettersAndStopsNobody() throws Exception {
    var large = new byte[3 << 20];
    var good = result("good");
    var json = new String(result("x").write(), StandardCharsets.UTF_8);
    var rows =
        new String(SqlRows.of(1, 1, 1, 10, List.of(List.of("v"))).write(), StandardCharsets.UTF_8);
    var garbage =
        Map.ofEntries(
            Map.entry("garbage", new byte[] {0, 1, (byte) 0xff}),
            Map.entry("empty", new byte[0]),
            Map.entry("null", utf8("null")),
            Map.entry("object", utf8("{}")),
            Map.entry("large", large),
            Map.entry("time", utf8(json.replace("2026-01-02T03:04:05Z", "yesterday"))),
            Map.entry("kind", utf8(json.replace("\"kind\"", "\"sort\""))),
            Map.entry("id", utf8(json.replaceFirst("\"id\":\\d+", "\"id\":-1"))),
            Map.entry("version", utf8(json.replace("\"version\":1", "\"version\":2"))),
            Map.entry("an answer as SQL", utf8(json.replace("\"ask\"", "\"sql\""))),
            Map.entry("rows' id", utf8(rows.replace("\"id\":1", "\"id\":0"))),
            Map.entry("rows' number", utf8(rows.replace("\"number\":1", "\"number\":0"))),
            Map.entry("rows' role", utf8(rows.replace("_oid\":10", "_oid\":4294967296"))),
            Map.entry("rows' values", utf8(rows.replace("\"v\"", "{}"))));
    garbage.forEach(installation::send);
    installation.send(List.of(good));
    try (var _ = start()) {
      awaitWritten(List.of(good), 1);
      await().atMost(PATIENCE).until(() -> installation.committed() == 15);
    }
    var letters =
        installation.read(installation.topics().deadLetters()).stream()
            .collect(
                Collectors.toMap(
                    letter -> new String(letter.key(), StandardCharsets.UTF_8),
                    ConsumerRecord::value));
    assertThat(letters).containsExactlyInAnyOrderEntriesOf(garbage);
    for (var letter : installation.read(installation.topics().deadLetters())) {
      assertThat(header(letter, RecordHeaders.REASON)).isEqualTo("malformed");
      assertThat(header(letter, RecordHeaders.REASON_DETAIL)).isNotBlank();
      assertThat(header(letter, RecordHeaders.ORIGIN))
          .startsWith(installation.topics().results() + "-");
    }
    assertThat(letters("rows' number"))
        .extracting(letter -> header(letter, RecordHeaders.REASON_DETAIL))
        .containsExactly("the number of SQL rows is less than 1");
  }

  @Test
  void anAnswerToWhatNobodyHasAskedForGoesToTheDeadLettersAsItCame() throws Exception {
    var forged = result(TestInstallation.unclaimedId(), "forged");
    var genuine = result(forged.id(), "genuine");
    byte[] value = utf8(" " + new String(forged.write(), StandardCharsets.UTF_8));
    try (var app = start()) {
      app.awaitRunning(PATIENCE);
      installation.send(installation.topics().results(), "k", value, Map.of("h", utf8("v")));
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
      var letter = letters("k").getFirst();
      assertThat(letter.value()).isEqualTo(value);
      assertThat(header(letter, "h")).isEqualTo("v");
      assertThat(header(letter, RecordHeaders.REASON)).isEqualTo("unclaimed");
      assertThat(header(letter, RecordHeaders.REASON_DETAIL)).contains("no worker had claimed");
      assertThat(header(letter, RecordHeaders.ORIGIN))
          .startsWith(installation.topics().results() + "-");

      installation.claim(forged.id(), 1, 10);
      installation.send(List.of(genuine));
      awaitWritten(List.of(genuine), 1);
    }
    assertThat(
            installation.query("select answer from pgoffload.llm_result where id = " + forged.id()))
        .isEqualTo("genuine");
  }

  @Test
  void rowsThatTheirWorkerStoresAreSkippedUnreadAndThoseOfAnOlderWorkerAreWritten()
      throws Exception {
    long id = TestInstallation.newIds(1);
    var rows = SqlRows.of(id, 1, 1, 10, List.of(List.of("v")));
    var stored = SqlRows.of(id, 1, 2, 10, List.of(List.of("v")));
    var header = Map.of(RecordHeaders.STORED, utf8("true"));
    try (var _ = start()) {
      installation.send(
          installation.topics().results(), stored.recordKey(), stored.write(), header);
      installation.send(installation.topics().results(), "k", utf8("not read"), header);
      installation.send(rows.recordKey(), rows.write());
      await().atMost(PATIENCE).until(() -> installation.committed() == 3);
    }
    assertThat(
            installation.query(
                "select string_agg(number::text, ' ') from pgoffload.sql_chunk where id = " + id))
        .isEqualTo("1");
    assertThat(installation.read(installation.topics().deadLetters())).isEmpty();
  }

  @Test
  void piecesLandInOrderWithTheirResult() throws Exception {
    var result = result("one, two, three");
    var pieces =
        List.of(
            piece(result.id(), 1, 1, true, "one, "),
            piece(result.id(), 1, 3, false, "too"),
            piece(result.id(), 2, 1, true, "one, "),
            piece(result.id(), 2, 2, false, "two, "),
            // a delivery that was repeated
            piece(result.id(), 2, 1, true, "one, "),
            piece(result.id(), 2, 7, false, "three"));
    try (var listener = installation.admin().connect("test");
        var statement = listener.createStatement();
        var _ = start()) {
      statement.execute("listen llm_stream");
      pieces.forEach(piece ->
          installation.send(installation.topics().pieces(), piece.recordKey(), piece.write()));
      installation.send(List.of(result));
      awaitWritten(List.of(result), 1);
      await()
          .atMost(PATIENCE)
          .until(() -> installation.committed(installation.topics().pieces()) == 6);
      assertThat(listener.unwrap(PGConnection.class).getNotifications(5000))
          .isNotEmpty()
          .allMatch(heard -> heard.getParameter().equals(Long.toString(result.id())));
    }
    assertThat(
            installation.query(
                "select string_agg(concat_ws(' ', attempt, seq % 1000000000, reset, text), '|'"
                    + " order by seq) from pgoffload.llm_piece where id = "
                    + result.id()))
        .isEqualTo("1 1 t one, |1 3 f too|2 1 t one, |2 2 f two, |2 7 f three");
  }

  @Test
  void whatIsNoPieceOrNoUsageGoesToTheDeadLettersToo() throws Exception {
    var good = piece(result("").id(), 1, 1, true, "good");
    var json = new String(good.write(), StandardCharsets.UTF_8);
    installation.send(installation.topics().pieces(), "not JSON", new byte[] {0, (byte) 0xff});
    installation.send(
        installation.topics().pieces(), "oid", utf8(json.replace("_oid\":10", "_oid\":0")));
    installation.send(installation.topics().usage(), "not usage", good.write());
    installation.send(installation.topics().pieces(), good.recordKey(), good.write());
    try (var _ = start()) {
      await()
          .atMost(PATIENCE)
          .until(() ->
              installation.committed(installation.topics().pieces()) == 3
                  && installation.committed(installation.topics().usage()) == 1);
    }
    assertThat(installation.query("select text from pgoffload.llm_piece where id = " + good.id()))
        .isEqualTo("good");
    assertThat(installation.read(installation.topics().deadLetters()))
        .extracting(letter -> header(letter, RecordHeaders.REASON_DETAIL))
        .containsExactlyInAnyOrder(
            "not the JSON of a piece of version 1",
            "the requested_by_oid of a piece is no oid",
            "not the JSON of usage of version 1");
  }

  private static LlmPiece piece(long id, int attempt, int number, boolean reset, String text) {
    return new LlmPiece(
        1, id, 10, attempt, LlmPiece.seqBefore(attempt) + number, reset, text, null);
  }

  private List<ConsumerRecord<byte[], byte[]>> letters(String key) {
    return installation.read(installation.topics().deadLetters()).stream()
        .filter(letter -> new String(letter.key(), StandardCharsets.UTF_8).equals(key))
        .toList();
  }

  @Test
  void canBeClosedTwiceAndBeforeItRuns() throws Exception {
    var app = start();
    app.close();
    app.close();
    assertThat(app.health()).isEqualTo(Health.ended());
    app.awaitEnd();
    var prefix = installation.topics().prefix();
    await()
        .atMost(PATIENCE)
        .untilAsserted(() ->
            assertThat(Thread.getAllStackTraces().keySet())
                .extracting(Thread::getName)
                .noneMatch(name -> name.startsWith(prefix) || name.equals("pgoffload-write-back")));
  }

  private ResultsApp start() {
    return start("only");
  }

  private ResultsApp start(String name) {
    return ResultsApp.start(installation.configuration(directory.resolve(name)), Telemetry.none());
  }

  private static void awaitWritten(List<Result> results, long count) {
    await().atMost(PATIENCE).until(() -> installation.written(results) == count);
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String header(ConsumerRecord<byte[], byte[]> record, String name) {
    return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
  }
}
