package org.pgoffload.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.TestLaunches.Launch;
import org.pgoffload.worker.models.FakeProvider;
import org.pgoffload.worker.models.LlmProviders;

/// Background SQL from its topic to its result, with a real database and a real broker.
final class SqlRequestHandlerTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @AutoClose private static final TestInstallation installation = TestInstallation.start();

  private static final TestLaunches launches = new TestLaunches(installation);

  @BeforeEach
  void emptyTopics() throws SQLException {
    installation.newTopics(2);
    installation.execute(
        "create table trace (what text, at timestamptz default clock_timestamp());"
            + " grant all on trace to alice, bob");
  }

  @AfterEach
  void removeTrace() throws SQLException {
    installation.execute("drop table trace");
  }

  private WorkerApp start(String name) {
    return start(name, 8, 4, Duration.ofSeconds(5));
  }

  private WorkerApp start(String name, int connections, int perRole, Duration drain) {
    return WorkerApp.start(
        launches.configuration(name, connections, perRole, drain),
        LlmProviders.of(new FakeProvider()),
        Telemetry.none());
  }

  private static SqlResult awaitResult(long id) {
    return await()
        .atMost(PATIENCE)
        .until(() -> launches.resultOf(id), found -> found.isPresent())
        .orElseThrow();
  }

  private static void awaitRunning(int count) {
    awaitQuery(
        "select count(*) from pg_stat_activity where application_name like 'pg_background:%'"
            + " and state <> 'idle'",
        Integer.toString(count));
  }

  private static void awaitQuery(String sql, String row) {
    await()
        .atMost(PATIENCE)
        .untilAsserted(() -> assertThat(installation.query(sql)).isEqualTo(row));
  }

  /// A command that waits until it is released.
  private static String gate(int number) {
    return "select pg_advisory_xact_lock_shared(" + number + ")";
  }

  private static Gate closed(int number) throws SQLException {
    var connection = installation.admin().connect("gate");
    try (var statement = connection.createStatement()) {
      statement.execute("select pg_advisory_lock(" + number + ")");
    }
    return new Gate(connection);
  }

  private record Gate(Connection connection) implements AutoCloseable {
    void open() throws SQLException {
      connection.close();
    }

    @Override
    public void close() throws SQLException {
      open();
    }
  }

  @Test
  void runsWhatWasLaunchedAndCommitsIt() throws Exception {
    try (var _ = start("w")) {
      long id = launches.launch("alice", "select current_user");
      var result = awaitResult(id);
      assertThat(result.returned().rows()).containsExactly(Arrays.asList("alice"));
      assertThat(result.attempt()).isEqualTo(1);
      await().atMost(PATIENCE).until(() -> installation.committed("sql") == 1);
      assertThat(installation.query("select command from sql_request where id = " + id))
          .isEqualTo("select current_user");
    }
  }

  @Test
  void whatAFailOverHasLostTakesEffectOnceMore() throws Exception {
    try (var _ = start("w");
        var gate = closed(1)) {
      long ended = launches.launch("alice", "insert into trace values ('ended')");
      awaitResult(ended);
      long running = launches.launch("alice", gate(1) + "; insert into trace values ('running')");
      awaitRunning(1);
      awaitQuery(
          "select max(next_offset) from pgoffload.consumer_position where topic = '"
              + installation.topics().sqlRequests()
              + "'",
          "1");
      // its claim has survived, and its worker lives
      installation.execute(
          "delete from trace; delete from pgoffload.sql_result where id = " + ended);

      installation.failOver();

      awaitQuery("select string_agg(what, ' ') from trace", "ended");
      gate.open();
      awaitQuery("select string_agg(what, ' ') from trace", "ended running");
      awaitResult(running);
      awaitQuery(
          // each by another attempt than the first
          "select string_agg(concat_ws(' ', id, attempt > 1), ', ' order by id) from pgoffload.sql_result"
              + " where id >= "
              + ended,
          ended + " t, " + running + " t");
      await().atMost(PATIENCE).until(() -> installation.committed("sql") == 2);
    }
  }

  @Test
  void aWrongClockOfTheMachineDecidesNothing() throws Exception {
    for (int hours : List.of(-1, 1)) {
      try (var _ =
          WorkerApp.start(
              launches.configuration("w" + hours, 8, 4, Duration.ofSeconds(5)),
              LlmProviders.of(new FakeProvider()),
              Clock.offset(Clock.systemUTC(), Duration.ofHours(hours)),
              Telemetry.none())) {
        long fresh = launches.launch(Launch.of("alice", "select 1").within(Duration.ofSeconds(30)));
        assertThat(awaitResult(fresh).status()).isEqualTo("succeeded");
        long late = launches.launch(Launch.of("alice", "select 1").within(Duration.ofMillis(1)));
        assertThat(awaitResult(late).status()).isEqualTo("expired");
      }
    }
  }

  @Test
  void whatMayNotBeExecutedEndsAsFailed() throws Exception {
    long old = installation.newId();
    long newer = installation.newId();
    long oldAndKeyed = installation.newId();
    launches.launch(
        old,
        Launch.of("alice", "insert into trace values ('old')"),
        envelope -> envelope.put("signed_at_us", daysAgo(4)));
    launches.launch(
        oldAndKeyed,
        Launch.of("alice", "insert into trace values ('old')").keyed("k"),
        envelope -> envelope.put("signed_at_us", daysAgo(4)));
    launches.launch(
        newer,
        Launch.of("alice", "insert into trace values ('newer')"),
        envelope -> envelope.put("version", 2));
    try (var _ = start("w")) {
      for (long id : List.of(old, oldAndKeyed, newer)) {
        var result = awaitResult(id);
        assertThat(result.status()).isEqualTo("failed");
        var error =
            installation.query(
                "select concat_ws('|', error ->> 'sqlstate', error ->> 'message', error ->> 'hint')"
                    + " from pgoffload.sql_result where id = "
                    + id);
        assertThat(error)
            .startsWith("08P01|")
            .contains(id == newer ? ": unknown_version|" : ": too_old|", "dead-letters");
      }
      await().atMost(PATIENCE).until(() -> installation.committed("sql") == 3);
    }
    assertThat(installation.read(installation.topics().deadLetters())).hasSize(3);
    assertThat(installation.query("select count(*) from trace")).isEqualTo("0");
  }

  private static long daysAgo(int days) {
    return Instant.now().minus(Duration.ofDays(days)).toEpochMilli() * 1000;
  }

  @Test
  void whatOneRoleLaunchesStopsNoOtherAndWaitsWhereItCanBeSeen() throws Exception {
    try (var gate = closed(1);
        var _ = start("w", 8, 2, Duration.ofSeconds(5))) {
      for (int i = 0; i < 3; i++) {
        launches.launch("alice", gate(1));
      }
      long waiting = launches.launch("alice", "select 'at last'");
      awaitRunning(2);
      assertThat(awaitResult(launches.launch("bob", "select 1")).status()).isEqualTo("succeeded");
      awaitQuery("select count(*) from sql_request where id = " + waiting, "1");
      assertThat(launches.resultOf(waiting)).isEmpty();
      gate.open();
      assertThat(awaitResult(waiting).status()).isEqualTo("succeeded");
      await().atMost(PATIENCE).until(() -> installation.committed("sql") == 5);
    }
  }

  @Test
  void aSessionRunsAsManyAsItMayAtOnce() throws Exception {
    try (var gate = closed(2);
        var _ = start("w")) {
      launches.launch(Launch.of("alice", gate(2)).inSession("one", 1));
      long second = launches.launch(Launch.of("alice", "select 2").inSession("one", 1));
      long other = launches.launch(Launch.of("alice", "select 3").inSession("two", 1));
      awaitResult(other);
      assertThat(launches.resultOf(second)).isEmpty();
      gate.open();
      awaitResult(second);
    }
  }

  @Test
  void requestsOfOneKeyRunOneAfterAnother() throws Exception {
    try (var _ = start("w")) {
      long last = 0;
      for (int i = 0; i < 5; i++) {
        last =
            launches.launch(
                Launch.of("alice", "select pg_sleep(0.02); insert into trace values ('" + i + "')")
                    .keyed("k"));
      }
      awaitResult(last);
      assertThat(installation.query("select string_agg(what, '' order by at) from trace"))
          .isEqualTo("01234");
    }
  }

  @Test
  void whatATaskLaunchesRunsThoughItsParentsHaveTakenEveryPlace() throws Exception {
    try (var gate = closed(3);
        var _ = start("w", 1, 1, Duration.ofSeconds(5))) {
      long parent = launches.launch("alice", gate(3));
      awaitRunning(1);
      assertThat(awaitResult(launches.launch(Launch.of("alice", "select 1").nested(1))).status())
          .isEqualTo("succeeded");
      gate.open();
      awaitResult(parent);
    }
  }

  @Test
  void cancellingEndsWhatRuns() throws Exception {
    try (var _ = start("w")) {
      long id =
          launches.launch("alice", "insert into trace values ('undone'); select pg_sleep(60)");
      awaitRunning(1);
      launches.cancel("alice", id);
      var result = awaitResult(id);
      assertThat(result.status()).isEqualTo("cancelled");
      assertThat(installation.query("select count(*) from trace")).isEqualTo("0");
    }
  }

  @Test
  void whoMayNotCancelDoesNot() throws Exception {
    try (var gate = closed(4);
        var _ = start("w")) {
      long id = launches.launch("alice", gate(4));
      awaitRunning(1);
      launches.cancel("bob", id);
      awaitQuery("select count(*) from pgoffload.cancellation where id = " + id, "1");
      gate.open();
      assertThat(awaitResult(id).status()).isEqualTo("succeeded");
    }
  }

  @Test
  void whatWaitsIsCancelledThoughNoPlaceIsFree() throws Exception {
    try (var gate = closed(5);
        var _ = start("w", 1, 1, Duration.ofSeconds(5))) {
      long running = launches.launch("alice", gate(5));
      long waiting = launches.launch("alice", "insert into trace values ('never')");
      awaitRunning(1);
      launches.cancel("alice", waiting);
      var result =
          await()
              .atMost(PATIENCE)
              .until(() -> launches.resultOf(waiting), found -> found.isPresent())
              .orElseThrow();
      assertThat(result.status()).isEqualTo("cancelled");
      gate.open();
      awaitResult(running);
      assertThat(installation.query("select count(*) from trace")).isEqualTo("0");
    }
  }

  @Test
  void aCancellationThatComesBeforeItsRequestCounts() throws Exception {
    try (var gate = closed(6);
        var _ = start("w", 1, 1, Duration.ofSeconds(5))) {
      launches.launch("alice", gate(6));
      awaitRunning(1);
      long id = installation.newId();
      launches.cancel("alice", id);
      awaitQuery("select count(*) from pgoffload.cancellation where id = " + id, "1");
      launches.launch(id, Launch.of("alice", "insert into trace values ('never')"));
      assertThat(awaitResult(id).status()).isEqualTo("cancelled");
      gate.open();
    }
  }

  @Test
  void aCancellationThatComesWhileItsRequestIsClaimedCounts() throws Exception {
    installation.execute(
        """
        create function stall() returns trigger language plpgsql
        as $$begin perform pg_advisory_xact_lock_shared(9); return null; end$$;
        create constraint trigger stall after insert on pgoffload.claim_0
          deferrable initially deferred for each row execute function stall();
        """);
    try (var gate = closed(9);
        var _ = start("w")) {
      long id = launches.launch("alice", "select pg_sleep(100)");
      awaitQuery("select count(*) from pg_locks where locktype = 'advisory' and not granted", "1");
      // the claim has looked for cancellations, and is not committed yet
      launches.cancel("alice", id);
      awaitQuery("select count(*) from pgoffload.cancellation where id = " + id, "1");
      gate.open();
      assertThat(awaitResult(id).status()).isEqualTo("cancelled");
    } finally {
      installation.execute("drop function stall cascade");
    }
  }

  @Test
  void aCancellationThatAFailOverHasLostIsReadAgain() throws Exception {
    try (var _ = start("w")) {
      long id = installation.newId();
      launches.cancel("alice", id);
      var recorded = "select count(*) from pgoffload.cancellation where id = " + id;
      awaitQuery(recorded, "1");
      installation.execute("delete from pgoffload.cancellation");
      installation.failOver();
      awaitQuery(recorded, "1");
    }
  }

  @Test
  void whatIsPastItsDeadlineExpiresWhetherItRunsOrWaits() throws Exception {
    try (var _ = start("w", 1, 1, Duration.ofSeconds(5))) {
      awaitResult(launches.launch("alice", "select 'ready'"));
      long running =
          launches.launch(Launch.of("alice", "select pg_sleep(60)").within(Duration.ofSeconds(3)));
      awaitRunning(1);
      long waiting = launches.launch(Launch.of("alice", "select 1").within(Duration.ofMillis(100)));
      assertThat(awaitResult(waiting).status()).isEqualTo("expired");
      assertThat(awaitResult(running).status()).isEqualTo("expired");
    }
  }

  @Test
  void aDrainLeavesWhatRunsToTheNextWorker() throws Exception {
    long id;
    try (var _ = closed(7)) {
      try (var _ = start("first", 8, 4, Duration.ofMillis(100))) {
        id = launches.launch("alice", "insert into trace values ('once'); " + gate(7));
        awaitRunning(1);
      }
      assertThat(launches.results()).isEmpty();
      awaitRunning(0);
    }
    try (var _ = start("second")) {
      var result = awaitResult(id);
      assertThat(result.status()).isEqualTo("succeeded");
      assertThat(result.attempt()).isEqualTo(2);
      assertThat(installation.query("select count(*) from trace")).isEqualTo("1");
    }
  }

  @Test
  void aRequestThatIsDeliveredAgainIsAnsweredAgainAndNotRunAgain() throws Exception {
    var launch = Launch.of("alice", "insert into trace values ('once')");
    long id;
    try (var _ = start("first")) {
      id = launches.launch(launch);
      awaitResult(id);
    }
    try (var _ = start("second")) {
      launches.launch(id, launch);
      await().atMost(PATIENCE).until(() -> launches.results().size() == 2);
      await().atMost(PATIENCE).until(() -> installation.committed("sql") == 2);
    }
    assertThat(launches.results()).extracting(SqlResult::id).containsOnly(id);
    assertThat(installation.query("select count(*) from trace")).isEqualTo("1");
  }

  @Test
  void aRequestOfWhichNothingIsRecordedEndsWithoutAResult() throws Exception {
    try (var _ = start("w")) {
      installation.letRecordsNameTheirTime(installation.topics().sqlRequests());
      launches.publishedAt(Instant.now().minus(Duration.ofHours(1)));
      launches.launch(Launch.of("alice", "insert into trace values ('never')").inserted());
      await().atMost(PATIENCE).until(() -> installation.committed("sql") == 1);
    } finally {
      launches.publishedAt(null);
    }
    assertThat(launches.results()).isEmpty();
    assertThat(installation.query("select count(*) from trace")).isEqualTo("0");
  }

  @Test
  void aRequestIsAskedForAgainWhoseRowIsNotVisibleYet() throws Exception {
    try (var _ = start("w")) {
      // published as soon as its commit was flushed, which is before anybody else sees the row
      long early =
          launches.launch(Launch.of("alice", "insert into trace values ('early')").inserted());
      long behind = launches.launch("alice", "insert into trace values ('behind it')");
      awaitResult(behind);
      assertThat(installation.committed("sql")).isZero();
      installation.execute(
          "insert into sql_request (id, command, requested_by, requested_by_oid, login_oid, settings,"
              + " session, created_xid, immediate, nonce) select "
              + early
              + ", 'insert into trace values (''early'')', 'alice', 'alice'::regrole, 'alice'::regrole,"
              + " '{}', 's', '3', true, '"
              + new UUID(0, early)
              + "'");
      assertThat(awaitResult(early).status()).isEqualTo("succeeded");
      await().atMost(PATIENCE).until(() -> installation.committed("sql") == 2);
    }
  }

  @Test
  void progressIsRecordedOfTheBackendThatMakesItAlone() throws Exception {
    try (var gate = closed(8);
        var _ = start("w")) {
      long id = launches.launch("alice", gate(8));
      // at its command: the worker knows the session from the reply to the begin on
      int pid =
          Integer.parseInt(
              await()
                  .atMost(PATIENCE)
                  .until(
                      () ->
                          installation.query(
                              "select coalesce(max(pid), 0) from pg_stat_activity where"
                                  + " application_name like 'pg_background:%' and wait_event = 'advisory'"),
                      found -> !found.equals("0")));
      launches.progress("bob", id, 99, pid + 1);
      launches.progress("alice", id, 40, pid);
      awaitQuery(
          "select string_agg(pct || message, ',') from pgoffload.sql_progress where id = " + id,
          "40so far");
      gate.open();
      awaitResult(id);
    }
  }

  @Test
  void manyTasksAllEndOnce() throws Exception {
    try (var _ = start("one");
        var _ = start("two")) {
      for (int i = 0; i < 200; i++) {
        launches.launch(
            Launch.of(i % 2 == 0 ? "alice" : "bob", "insert into trace values ('" + i + "')")
                .inSession("s" + i, 1));
      }
      await().atMost(PATIENCE).until(() -> installation.committed("sql") == 200);
    }
    assertThat(installation.query("select count(*) || '/' || count(distinct what) from trace"))
        .isEqualTo("200/200");
    assertThat(launches.results()).extracting(SqlResult::status).containsOnly("succeeded");
    assertThat(List.copyOf(launches.results()).stream().map(SqlResult::id).distinct()).hasSize(200);
  }
}
