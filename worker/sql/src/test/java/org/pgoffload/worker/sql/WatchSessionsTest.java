package org.pgoffload.worker.sql;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.worker.delivery.RequestEnd;
import org.pgoffload.worker.sql.sessions.SqlTask;

/// Tasks whose sessions end without a word to the worker.
final class WatchSessionsTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final Duration EVERY = Duration.ofMillis(300);

  @AutoClose private static final TestDatabase database = new TestDatabase();

  private DeafProxy proxy;
  private TestWorker worker;

  @BeforeEach
  void open() throws IOException {
    proxy = new DeafProxy(database.admin().port());
    worker = new TestWorker(database, database.tasksAt(proxy.port()), EVERY);
  }

  @AfterEach
  void close() {
    worker.close();
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
    var result = worker.result(task.id());
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
    var result = worker.result(task.id());
    assertThat(requireNonNull(result.error()).sqlstate()).isEqualTo("08006");
    assertThat(requireNonNull(result.error()).detail()).contains("outcome is unknown");
    assertThat(result.attempt()).isEqualTo(1);
  }

  @Test
  void aTaskWhoseSessionLivesIsLeftAlone() throws Exception {
    // several looks long
    var task = database.launch("alice", "", "select pg_sleep(2)");
    assertThat(begin(task).get()).isEqualTo(RequestEnd.FINISHED);
    assertThat(worker.result(task.id()).attempt()).isEqualTo(1);
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
    return worker.begin(task).orTimeout(PATIENCE.toSeconds(), TimeUnit.SECONDS);
  }
}
