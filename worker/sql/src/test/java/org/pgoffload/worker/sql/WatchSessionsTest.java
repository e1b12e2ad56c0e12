package org.pgoffload.worker.sql;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.worker.delivery.Claim;
import org.pgoffload.worker.delivery.RequestEnd;
import org.pgoffload.worker.sql.sessions.SqlClaim;
import org.pgoffload.worker.sql.sessions.SqlLimits;
import org.pgoffload.worker.sql.sessions.SqlTask;
import org.pgoffload.worker.sql.sessions.TaskSessions;

/// Tasks whose sessions end without a word to the worker.
final class WatchSessionsTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final Duration EVERY = Duration.ofMillis(300);

  private static TestDatabase database;

  private DeafProxy proxy;
  private TestTopic topic;
  private TaskSessions sessions;
  private TaskRecords records;
  private RunningTasks running;
  private RunTask run;

  @BeforeAll
  static void install() throws SQLException {
    database = new TestDatabase();
  }

  @AfterAll
  static void end() {
    database.close();
  }

  @BeforeEach
  void open() throws IOException {
    proxy = new DeafProxy(database.admin().port());
    topic = new TestTopic();
    records = database.roles();
    sessions =
        new TaskSessions(
            database.tasksAt(proxy.port()),
            records,
            "w",
            new SqlLimits(8, 4, Duration.ofSeconds(30)));
    running = new RunningTasks(records, EVERY);
    run = new RunTask(sessions, records, topic, "w", Clock.systemUTC());
  }

  @AfterEach
  void close() {
    running.close();
    sessions.close();
    proxy.close();
  }

  @Test
  void aTaskWhoseSessionEndedUnheardIsExecutedAgain() throws Exception {
    database.execute("create table gate (i int); grant select on gate to alice");
    var task =
        database.launch(
            "alice",
            "",
            "create table twice (); select pg_sleep(3600) where not exists (select from gate)");
    var ended = begin(task);
    endUnheardWhatSleeps(() -> database.execute("insert into gate values (1)"));
    assertThat(ended.get()).isEqualTo(RequestEnd.FINISHED);
    var result = result(task.id());
    assertThat(result.status()).isEqualTo("succeeded");
    assertThat(result.attempt()).isEqualTo(2);
  }

  @Test
  void whatRanOutsideATransactionIsUnknownThen() throws Exception {
    database.execute(
        """
        create procedure waits() language plpgsql as $$ begin commit; perform pg_sleep(3600); end $$;
        grant execute on procedure waits() to alice
        """);
    var task = database.launch("alice", "", "call waits()");
    var ended = begin(task);
    endUnheardWhatSleeps(() -> {});
    assertThat(ended.get()).isEqualTo(RequestEnd.FINISHED);
    var result = result(task.id());
    assertThat(requireNonNull(result.error()).sqlstate()).isEqualTo("08006");
    assertThat(requireNonNull(result.error()).detail()).contains("outcome is unknown");
    assertThat(result.attempt()).isEqualTo(1);
  }

  @Test
  void aTaskWhoseSessionLivesIsLeftAlone() throws Exception {
    // several looks long
    var task = database.launch("alice", "", "select pg_sleep(2)");
    assertThat(begin(task).get()).isEqualTo(RequestEnd.FINISHED);
    assertThat(result(task.id()).attempt()).isEqualTo(1);
  }

  @FunctionalInterface
  private interface Before {
    void run() throws SQLException;
  }

  private void endUnheardWhatSleeps(Before before) throws SQLException {
    var sleeping = " from pg_stat_activity where wait_event = 'PgSleep' and usename = 'alice'";
    await().atMost(PATIENCE).until(() -> database.query("select count(*)" + sleeping).equals("1"));
    before.run();
    proxy.forgetThem();
    database.execute("select pg_terminate_backend(pid)" + sleeping);
  }

  private CompletableFuture<RequestEnd> begin(SqlTask task) {
    return CompletableFuture.supplyAsync(
            () -> {
              try {
                var claims = records.claim(List.of(new TaskRecords.ToClaim(task.id(), null)));
                var claim =
                    ((Claim.Claimed<SqlClaim>) requireNonNull(claims.get(task.id()))).attempt();
                return run.run(task, claim, running.begin(task, claim.claimedAt()));
              } catch (Exception e) {
                throw new CompletionException(e);
              } finally {
                running.end(task.id());
              }
            },
            runnable -> Thread.ofVirtual().start(runnable))
        .orTimeout(PATIENCE.toSeconds(), TimeUnit.SECONDS);
  }

  private SqlResult result(long id) {
    return topic.results().stream().filter(result -> result.id() == id).findFirst().orElseThrow();
  }
}
