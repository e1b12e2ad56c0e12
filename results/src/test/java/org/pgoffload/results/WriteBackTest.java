package org.pgoffload.results;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.results.TestInstallation.result;
import static org.pgoffload.results.TestInstallation.results;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.errors.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.LlmUsage;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultHead;
import org.pgoffload.protocol.ResultMessage;
import org.pgoffload.protocol.SqlColumn;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.protocol.SqlRows;
import org.pgoffload.protocol.TokenCounts;
import org.pgoffload.protocol.Withdrawal;
import org.pgoffload.telemetry.CountDeadLetters;
import org.pgoffload.telemetry.Telemetry;
import org.postgresql.PGConnection;

@Timeout(60)
final class WriteBackTest {
  private static final TestInstallation installation = TestInstallation.shared();

  /// What was sent to the dead letters, by its origin and reason.
  private final List<String> buried = new CopyOnWriteArrayList<>();

  private final AtomicInteger pauses = new AtomicInteger();

  /// Another test's, whose application ended before all was worked off.
  @BeforeEach
  void endFailOvers() {
    installation.execute("delete from pgoffload.consumer_position");
  }

  @Test
  void writesEveryFieldAndWakesThoseWhoListen() throws Exception {
    try (var listener = installation.admin().connect("test");
        var statement = listener.createStatement();
        var writeBack = open()) {
      statement.execute("listen llm_done");
      var result = result("42");
      write(writeBack, List.of(result));
      assertThat(
              installation.query(
                  "select to_jsonb(r) - 'finished_at' from pgoffload.llm_result r where id = "
                      + result.id()))
          .contains("\"answer\": \"42\"", "\"model\": \"fake-1\"", "\"output_tokens\": 1");
      assertThat(listener.unwrap(PGConnection.class).getNotifications(5000))
          .extracting(notification -> notification.getParameter())
          .containsExactly(Long.toString(result.id()));
    }
  }

  @Test
  void sharesOneCommitAmongWhatWasTakenTogether() throws Exception {
    var results = results(2000);
    try (var writeBack = open()) {
      write(writeBack, results);
    }
    assertThat(installation.written(results)).isEqualTo(2000);
    assertThat(
            Integer.parseInt(
                installation.query(
                    "select count(distinct xmin::text) from pgoffload.llm_result where id between "
                        + results.getFirst().id()
                        + " and "
                        + results.getLast().id())))
        .isEqualTo(2);
  }

  @Test
  void keepsTheFirstResultOfARequest() throws Exception {
    var first = result("first");
    try (var writeBack = open()) {
      write(writeBack, List.of(first, result(first.id(), "second")));
      write(writeBack, List.of(result(first.id(), "third")));
    }
    assertThat(answer(first)).isEqualTo("first");
  }

  /// Whoever waits for it would take it for ended.
  @Test
  void takesNoAnswerOfAModelForWhatSqlReturns() throws Exception {
    long task = TestInstallation.unclaimedId();
    installation.claimSql(task);
    try (var writeBack = open()) {
      write(writeBack, result(task, "an answer"));
      write(writeBack, piece(task, 1, "a piece"));
      assertThat(writeBack.flush()).isTrue();

      assertThat(buried)
          .containsExactlyInAnyOrder(task + " unclaimed", "piece " + task + " unclaimed");
      assertThat(
              installation.query(
                  "select (select count(*) from pgoffload.llm_result where id = "
                      + task
                      + ") + (select count(*) from pgoffload.llm_piece where id = "
                      + task
                      + ")"))
          .isEqualTo("0");
    }
  }

  @Test
  void writesNothingThatBelongsToNoClaimAndBuriesIt() throws Exception {
    var claimed = result("claimed");
    var another = TestInstallation.newIds(1);
    var early = result(TestInstallation.unclaimedId(), "early");
    var rows = SqlRows.of(another, 2, 1, 10, List.of(List.of("v")));
    try (var writeBack = open()) {
      write(writeBack, early);
      write(writeBack, claimed);
      // of a removed range, or made up
      write(writeBack, result(1L << 50, "no partition takes it"));
      // nobody has claimed it for this role
      write(writeBack, forRole(result(another, "another role's"), 11));
      write(writeBack, piece(another, 1, "claimed"));
      write(
          writeBack, new LlmPiece(1, another, 10, 3, LlmPiece.seqBefore(3) + 1, false, "t", null));
      write(
          writeBack,
          new LlmPiece(1, early.id(), 10, 1, LlmPiece.seqBefore(1) + 1, false, "e", null));
      write(writeBack, rows);
      write(writeBack, SqlRows.of(another, 3, 1, 10, List.of(List.of("v"))));
      write(writeBack, SqlRows.of(another, 1, 1, 11, List.of(List.of("v"))));
      // the worker records what it ends
      write(writeBack, ended(another));
      assertThat(writeBack.flush()).isTrue();

      assertThat(buried)
          .containsExactlyInAnyOrder(
              early.id() + " unclaimed",
              (1L << 50) + " unclaimed",
              another + " unclaimed",
              "piece " + another + " unclaimed",
              "piece " + early.id() + " unclaimed",
              another + " unclaimed",
              another + " unclaimed",
              another + " unclaimed");
      assertThat(installation.written(List.of(early, claimed, result(another, "")))).isEqualTo(1);
      assertThat(
              installation.query(
                  "select (select string_agg(text, '') from pgoffload.llm_piece where id in ("
                      + another
                      + ", "
                      + early.id()
                      + ")) || (select string_agg(attempt::text, '') from pgoffload.sql_chunk where id = "
                      + another
                      + ")"))
          .isEqualTo("claimed2");

      // who asks now gets the answer that is given then
      buried.clear();
      installation.claim(early.id(), 1, 10);
      write(writeBack, List.of(result(early.id(), "genuine"), result(early.id(), "later")));
      assertThat(answer(early)).isEqualTo("genuine");
      assertThat(buried).isEmpty();
    }
  }

  @Test
  void waitsForKafkaToTakeWhatHasNoClaim() {
    var early = result(TestInstallation.unclaimedId(), "early");
    var tries = new AtomicInteger();
    try (var writeBack =
        open(letters -> {
          if (tries.incrementAndGet() < 3) {
            throw new TimeoutException("no broker");
          }
          buried.add(letters.removeFirst().record().topic());
        })) {
      write(writeBack, List.of(early));
      assertThat(tries).hasValue(3);
      assertThat(buried).containsExactly(String.valueOf(early.id()));
      assertThat(writeBack.writeBack.waits()).isFalse();
    }
  }

  /// A thousand letters, each of which would wait for a broker, would take the consumer's place in
  /// its group.
  @Test
  void triesOneDeadLetterWhileNoBrokerAnswers() {
    var letters =
        IntStream.range(0, 1000)
            .mapToObj(i -> new Letter(record("r" + i, new byte[1]), DeadLetterReason.MALFORMED, ""))
            .collect(Collectors.toCollection(ArrayDeque::new));
    try (var producer =
        new LazyProducer(Map.of("bootstrap.servers", "localhost:1", "max.block.ms", 200))) {
      assertThatThrownBy(() -> new BuryRecords(producer, "dead").bury(letters))
          .isInstanceOf(TimeoutException.class);
    }
    assertThat(letters).hasSize(1000);
  }

  private static Result forRole(Result result, long oid) {
    return Result.read(
        new String(result.write(), StandardCharsets.UTF_8)
            .replace("\"requested_by_oid\":10", "\"requested_by_oid\":" + oid)
            .getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void goesOnAfterARestartOfTheDatabase() throws Exception {
    try (var writeBack = open()) {
      write(writeBack, results(10));
      installation.stopPostgres();
      var during = results(500);
      during.forEach(result -> write(writeBack, result));
      var flushed = CompletableFuture.supplyAsync(writeBack::flush);
      await()
          .during(Duration.ofMillis(500))
          .atMost(Duration.ofSeconds(30))
          .until(() -> !flushed.isDone());
      installation.startPostgres();
      assertThat(flushed.get()).isTrue();
      assertThat(installation.written(during)).isEqualTo(500);
    }
  }

  /// A serialization failure, a deadlock, a full disk, a server that is shutting down.
  @ParameterizedTest
  @ValueSource(strings = {"40001", "40P01", "53100", "57P01"})
  void waitsOutWhatIsNotTheResultsFault(String state) throws Exception {
    installation.execute(
        "create sequence tries; create function fail_at_first() returns trigger language plpgsql as"
            + " $$ begin if nextval('public.tries') <= 3 then raise exception 'injected' using errcode = '"
            + state
            + "'; end if; return new; end $$; grant usage on sequence tries to public; create trigger"
            + " fail_at_first before insert on pgoffload.llm_result for each statement execute function"
            + " fail_at_first()");
    var results = results(500);
    try (var writeBack = open()) {
      write(writeBack, results);
      assertThat(installation.query("select last_value >= 4 from tries")).isEqualTo("t");
    } finally {
      installation.execute(
          "drop trigger fail_at_first on pgoffload.llm_result; drop function fail_at_first();"
              + " drop sequence tries");
    }
    assertThat(installation.written(results)).isEqualTo(500);
    assertThat(
            installation.query(
                "select count(*) from pgoffload.llm_result where status = 'failed' and id >= "
                    + results.getFirst().id()))
        .isEqualTo("0");
  }

  @Test
  void aGroupThatStandsStillIsTriedAgainWithMoreTime() throws Exception {
    var result = result("42");
    try (var writeBack = new Writing(letters -> {}, Duration.ofMillis(500));
        var blocker = installation.admin().connect("test");
        var statement = blocker.createStatement()) {
      blocker.setAutoCommit(false);
      statement.execute("lock table pgoffload.llm_result");
      write(writeBack, result);
      var flushed = CompletableFuture.supplyAsync(writeBack::flush);
      await().until(() -> pauses.get() >= 2);
      blocker.rollback();
      assertThat(flushed.get()).isTrue();
    }
    assertThat(installation.written(List.of(result))).isEqualTo(1);
  }

  @Test
  void aConnectionThatBreaksInTheMiddleOfAGroupLosesNothingOfIt() throws Exception {
    var results = results(500);
    try (var writeBack = open();
        var blocker = installation.admin().connect("test");
        var statement = blocker.createStatement()) {
      blocker.setAutoCommit(false);
      // a group begins, and stands still half-way
      statement.execute(
          "insert into pgoffload.llm_result (id, kind, status, requested_by_oid, answer, attempts,"
              + " finished_at) values ("
              + results.get(250).id()
              + ", 'ask', 'succeeded', 10, 'blocks', 1, now())");
      results.forEach(result -> write(writeBack, result));
      var flushed = CompletableFuture.supplyAsync(writeBack::flush);
      var writing =
          "from pg_stat_activity where application_name = 'pgoffload results' and wait_event_type ="
              + " 'Lock'";
      await().until(() -> installation.query("select count(*) " + writing).equals("1"));
      installation.query("select pg_terminate_backend(pid) " + writing);
      await().until(() -> installation.query("select count(*) " + writing).equals("1"));
      blocker.rollback();
      assertThat(flushed.get()).isTrue();
    }
    assertThat(installation.written(results)).isEqualTo(500);
    assertThat(answer(results.get(250))).isNotEqualTo("blocks");
  }

  @Test
  void oneBadResultOfFiveHundredFailsAndTheOthersLand() throws Exception {
    var good = results(499);
    var bad = result("refuse me");
    installation.execute(
        "alter table pgoffload.llm_result add constraint refuses check (answer <> 'refuse me')");
    try (var writeBack = open()) {
      IntStream.range(0, 250).forEach(i -> write(writeBack, good.get(i)));
      write(writeBack, bad);
      IntStream.range(250, 499).forEach(i -> write(writeBack, good.get(i)));
      assertThat(writeBack.flush()).isTrue();
    } finally {
      installation.execute("alter table pgoffload.llm_result drop constraint refuses");
    }
    assertThat(installation.written(good)).isEqualTo(499);
    assertThat(pauses).as("the consumer polls while the group is halved").hasValueGreaterThan(5);
    assertThat(
            installation.query(
                "select status || ' ' || error_code || ' ' || error_message || ' ' ||"
                    + " (finished_at at time zone 'UTC') from pgoffload.llm_result where id = "
                    + bad.id()))
        .as("it ended when the worker says, by the database's clock, and not at the write-back")
        .isEqualTo(
            "failed result_not_storable the database refused the result with SQLSTATE 23514; the"
                + " results topic has it 2026-01-02 03:04:05");
  }

  /// PostgreSQL knows no offset of 18 hours, and no year 0.
  @ParameterizedTest
  @ValueSource(strings = {"2026-01-02T03:04:05+18:00", "0000-01-02T03:04:05Z"})
  void aResultWithATimeThatTheDatabaseDoesNotKnowFails(String finishedAt) throws Exception {
    var good = result("good");
    var bad =
        new Result(
            good.head(),
            good.outcome(),
            good.origin(),
            good.tokens(),
            Result.Run.of(1, finishedAt),
            null,
            good.provenance(),
            good.maintained());
    try (var writeBack = open()) {
      write(writeBack, List.of(bad));
    }
    assertThat(
            installation.query(
                "select status || ' ' || error_code from pgoffload.llm_result where id = "
                    + bad.id()))
        .isEqualTo("failed result_not_storable");
  }

  @Test
  void whatIsRefusedEvenAsAFailureHoldsUpNobody() throws Exception {
    var good = result("good");
    var bad = result("bad");
    installation.execute(
        "alter table pgoffload.llm_result add constraint refuses check (id <> " + bad.id() + ")");
    try (var writeBack = open()) {
      write(writeBack, List.of(bad, good));
    } finally {
      installation.execute("alter table pgoffload.llm_result drop constraint refuses");
    }
    assertThat(answer(good)).isEqualTo("good");
    assertThat(buried).isEmpty();
  }

  @Test
  void writesTheRowsOfSqlAndWakesThoseWhoListen() throws Exception {
    long id = result("").id();
    var rows = new ArrayList<List<@Nullable String>>();
    rows.add(Arrays.asList("1", null));
    try (var listener = installation.admin().connect("test");
        var statement = listener.createStatement();
        var writeBack = open()) {
      statement.execute("listen sql_done");
      // as the worker records it before it publishes it
      installation.execute(
          "insert into pgoffload.sql_result (id, status, requested_by_oid, attempt, chunks, finished_at)"
              + " values ("
              + id
              + ", 'succeeded', 10, 2, 3, now())");
      Stream.of(
              SqlRows.of(id, 2, 1, 10, rows),
              SqlRows.piece(id, 2, 2, 10, "[[\"2", false),
              SqlRows.piece(id, 2, 3, 10, "\"]]", true),
              // a delivery that was repeated
              SqlRows.of(id, 2, 1, 10, rows),
              ended(id))
          .forEach(message -> write(writeBack, message));
      assertThat(writeBack.flush()).isTrue();
      assertThat(listener.unwrap(PGConnection.class).getNotifications(5000))
          .extracting(notification -> notification.getParameter())
          .containsExactly(Long.toString(id));
    }
    assertThat(
            installation.query(
                "select string_agg(concat_ws(' ', attempt, number, requested_by_oid, rows, piece,"
                    + " ends), '; ' order by number) from pgoffload.sql_chunk where id = "
                    + id))
        .isEqualTo("2 1 10 [[\"1\", null]] t; 2 2 10 [[\"2 f; 2 3 10 \"]] t");
  }

  @Test
  void whatIsRefusedOfSqlIsLeftOutAndHoldsUpNobody() throws Exception {
    var before = result("before");
    var after = result("after");
    var rows = SqlRows.of(TestInstallation.newIds(1), 1, 1, 10, List.of(List.of("refuse me")));
    installation.execute(
        "alter table pgoffload.sql_chunk add constraint refuses check (rows::text not like '%refuse me%')");
    try (var writeBack = open()) {
      Stream.of(before, rows, after).forEach(message -> write(writeBack, message));
      assertThat(writeBack.flush()).isTrue();
    } finally {
      installation.execute("alter table pgoffload.sql_chunk drop constraint refuses");
    }
    assertThat(answer(before)).isEqualTo("before");
    assertThat(answer(after)).isEqualTo("after");
    assertThat(
            installation.query("select count(*) from pgoffload.sql_chunk where id = " + rows.id()))
        .isEqualTo("0");
  }

  @Test
  void keepsTheFirstPieceOfANumberAndTheLargestTotal() throws Exception {
    long id = TestInstallation.newIds(1);
    try (var writeBack = open()) {
      write(writeBack, piece(id, 1, "first"));
      write(writeBack, piece(id, 1, "again"));
      write(writeBack, usage("2026-03-04T05:06:00Z", 3));
      write(writeBack, usage("2026-03-04T05:06:00Z", 5));
      assertThat(writeBack.flush()).isTrue();
      write(writeBack, piece(id, 1, "later"));
      write(writeBack, piece(id, 2, "second"));
      write(writeBack, usage("2026-03-04T05:06:00Z", 4));
      assertThat(writeBack.flush()).isTrue();
    }
    assertThat(
            installation.query(
                "select string_agg(text, ' ' order by seq) from pgoffload.llm_piece where id = "
                    + id))
        .isEqualTo("first second");
    assertThat(
            installation.query(
                "select concat_ws(' ', requested_by_oid, requested_by, provider, model, requests,"
                    + " failed, cached, calls, failed_calls, input_tokens, cached_tokens,"
                    + " output_tokens, reasoning_tokens) from pgoffload.llm_usage_minute where"
                    + " minute = '2026-03-04T05:06:00Z'"))
        .isEqualTo("10 app fake fake-1 5 5 5 5 5 5 5 5 5");
  }

  @Test
  void whatIsRefusedOfPiecesAndOfUsageIsLeftOutAndHoldsUpNobody() throws Exception {
    var result = result("good");
    installation.execute(
        "alter table pgoffload.llm_piece add constraint refuses check (text <> 'refuse me')");
    try (var writeBack = open()) {
      write(writeBack, piece(result.id(), 1, "before"));
      write(writeBack, piece(result.id(), 3, "refuse me"));
      write(writeBack, usage("+999999-01-01T00:00:00Z", 1));
      write(writeBack, usage("2026-03-04T05:07:00Z", 1));
      write(writeBack, piece(result.id(), 2, "after"));
      write(writeBack, List.of(result));
    } finally {
      installation.execute("alter table pgoffload.llm_piece drop constraint refuses");
    }
    assertThat(answer(result)).isEqualTo("good");
    assertThat(
            installation.query(
                "select string_agg(text, ' ' order by seq) from pgoffload.llm_piece where id = "
                    + result.id()))
        .isEqualTo("before after");
    assertThat(
            installation.query(
                "select sum(requests) from pgoffload.llm_usage_minute where minute >="
                    + " '2026-03-04T05:07:00Z'"))
        .isEqualTo("1");
  }

  private static LlmPiece piece(long id, int number, String text) {
    return new LlmPiece(1, id, 10, 1, LlmPiece.seqBefore(1) + number, false, text, null);
  }

  private static LlmUsage usage(String minute, long each) {
    return new LlmUsage(
        1,
        new LlmUsage.Scope(minute, 10, "app", "fake", "fake-1"),
        new LlmUsage.Counts(each, each, each, each, each),
        new TokenCounts(each, each, each, each));
  }

  @Test
  void aFullQueueOfNotificationsStopsTheWakingAndNotTheWriting() throws Exception {
    var result = result("unheard");
    try (var sleeper = installation.admin().connect("test");
        var statement = sleeper.createStatement();
        var writeBack = open()) {
      statement.execute("listen elsewhere");
      // a listener in a transaction keeps everything in the queue
      sleeper.setAutoCommit(false);
      statement.execute("select 1");
      assertThatThrownBy(
              () -> {
                for (int round = 0; round < 100; round++) {
                  installation.execute(
                      "select pg_notify('elsewhere', repeat('a', 7900) || i)"
                          + " from generate_series(1, 10) i");
                }
              })
          .hasMessageContaining("NOTIFY");
      write(writeBack, List.of(result));
      assertThat(answer(result)).isEqualTo("unheard");
      sleeper.rollback();
    }
  }

  @Test
  void whatWasGivenUpAtTheEndIsNotFlushed() throws Exception {
    var given = result("given up");
    var writeBack = open();
    try (var blocker = installation.admin().connect("test");
        var statement = blocker.createStatement()) {
      blocker.setAutoCommit(false);
      statement.execute("lock table pgoffload.llm_result in exclusive mode");
      write(writeBack, given);
      var flushed = CompletableFuture.supplyAsync(writeBack::flush);
      await()
          .atMost(Duration.ofSeconds(30))
          .until(() ->
              installation
                  .query(
                      "select count(*) from pg_stat_activity where application_name ="
                          + " 'pgoffload results' and wait_event_type = 'Lock'")
                  .equals("1"));
      writeBack.close();
      assertThat(flushed.get()).isFalse();
      write(writeBack, result("late"));
      assertThat(writeBack.flush()).isFalse();
    }
  }

  @Test
  void givesUpAtTheEndWhileTheDatabaseIsAwayWithoutFlushing() throws Exception {
    var writeBack = open();
    installation.stopPostgres();
    try {
      write(writeBack, result("given up"));
      var flushed = CompletableFuture.supplyAsync(writeBack::flush);
      writeBack.close();
      assertThat(flushed.get()).isFalse();
    } finally {
      installation.startPostgres();
    }
  }

  private static SqlResult ended(long id) {
    return new SqlResult(
        new ResultHead(SqlResult.VERSION, id, SqlResult.KIND, Result.SUCCEEDED, "app", 10, null),
        2,
        List.of("SELECT 2"),
        new SqlResult.Returned(
            2L,
            List.of(new SqlColumn("a", 23, -1, "integer"), new SqlColumn("b", 25, -1, "text")),
            null,
            3,
            true,
            0,
            null),
        null,
        null,
        new SqlResult.Run(null, null, "worker", "2026-01-02T03:04:05Z"));
  }

  private static String answer(Result result) throws SQLException {
    return installation.query("select answer from pgoffload.llm_result where id = " + result.id());
  }

  private Writing open() {
    return open(letters -> {
      letters.forEach(letter -> buried.add(letter.record().topic() + " " + letter.reason().code()));
      letters.clear();
    });
  }

  private Writing open(WriteBack.Bury bury) {
    return new Writing(bury, WriteGroup.LEAST_PATIENCE);
  }

  /// The messages that a test has taken for a write-back, and the application that closes.
  private final class Writing implements WriteBack.Pause, AutoCloseable {
    private final WriteGroup groups;
    private final CountDownLatch closing = new CountDownLatch(1);
    private final List<WaitingMessage> taken = new ArrayList<>();
    private final WriteBack writeBack;

    Writing(WriteBack.Bury bury, Duration patience) {
      this.groups = new WriteGroup(installation.results(), patience);
      this.writeBack =
          new WriteBack(
              groups, bury, new CountDeadLetters(Telemetry.none().metrics()), Telemetry.none());
    }

    void take(WaitingMessage message) {
      taken.add(message);
    }

    /// @return whether all of it is committed
    boolean flush() {
      var group = List.copyOf(taken);
      taken.clear();
      return writeBack.write(group, this);
    }

    @Override
    public void pause(Duration duration) {
      pauses.incrementAndGet();
      try {
        var _ = closing.await(duration.toMillis(), TimeUnit.MILLISECONDS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    @Override
    public boolean isClosing() {
      return closing.getCount() == 0;
    }

    @Override
    public void close() {
      closing.countDown();
      groups.abort();
    }
  }

  private static void write(Writing writeBack, ResultMessage message) {
    var record = record(message.recordKey(), message.write());
    writeBack.take(
        switch (message) {
          case Result result -> new WaitingMessage.LlmResult(result.id(), record);
          case SqlRows rows -> new WaitingMessage.SqlChunk(rows.id(), record);
          case SqlResult result ->
              new WaitingMessage.SqlEnded(result.id(), result.head().nonce(), record);
          case Withdrawal _ -> throw new IllegalArgumentException("nothing to write");
        });
  }

  private static void write(Writing writeBack, LlmPiece piece) {
    writeBack.take(new WaitingMessage.Piece(record("piece " + piece.recordKey(), piece.write())));
  }

  private static void write(Writing writeBack, LlmUsage usage) {
    writeBack.take(new WaitingMessage.Usage(record("usage", usage.write())));
  }

  /// @param topic by which a test finds it among the dead letters
  private static ConsumerRecord<byte[], byte[]> record(String topic, byte[] value) {
    return new ConsumerRecord<>(topic, 0, 0, new byte[0], value);
  }

  private static void write(Writing writeBack, List<Result> results) {
    results.forEach(result -> write(writeBack, result));
    assertThat(writeBack.flush()).isTrue();
  }
}
