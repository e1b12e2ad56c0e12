package org.pgoffload.worker.sql;

import static java.util.Objects.requireNonNull;

import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.worker.delivery.Claim;
import org.pgoffload.worker.delivery.RequestEnd;
import org.pgoffload.worker.sql.sessions.SqlClaim;
import org.pgoffload.worker.sql.sessions.SqlLimits;
import org.pgoffload.worker.sql.sessions.SqlTask;
import org.pgoffload.worker.sql.sessions.TaskSessions;

/// Executes tasks of a [TestDatabase] as its worker, and keeps their results in memory.
final class TestWorker implements AutoCloseable {
  final TestTopic topic = new TestTopic();
  final TaskRecords records;
  final RunningTasks running;
  final RunTask run;
  private final TaskSessions sessions;

  TestWorker(TestDatabase database) {
    this(database, database.tasks(), RunningTasks.SESSIONS_EVERY);
  }

  /// @param sessionsEvery how often the tasks' sessions are looked at
  TestWorker(TestDatabase database, TaskDatabase tasks, Duration sessionsEvery) {
    records = database.roles();
    sessions =
        new TaskSessions(() -> tasks, records, "w", new SqlLimits(8, 4, Duration.ofSeconds(30)));
    running = new RunningTasks(records, sessionsEvery);
    run = new RunTask(sessions, records, topic, "w", Clock.systemUTC());
  }

  SqlClaim claim(SqlTask task) throws SQLException {
    var claims = records.claim(List.of(new TaskRecords.ToClaim(task.key(), null, false)), null);
    return ((Claim.Claimed<SqlClaim>) requireNonNull(claims.get(task.id()))).attempt();
  }

  RequestEnd runClaimed(SqlTask task, SqlClaim claim) throws InterruptedException {
    var begun = running.begin(task, claim.claimedAt());
    try {
      return run.run(task, claim, begun);
    } finally {
      running.end(task, begun);
    }
  }

  /// Claims a task and runs it on a thread of its own.
  CompletableFuture<RequestEnd> begin(SqlTask task) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return runClaimed(task, claim(task));
          } catch (Exception e) {
            throw new CompletionException(e);
          }
        },
        runnable -> Thread.ofVirtual().start(runnable));
  }

  SqlResult result(long id) {
    return topic.results().stream().filter(result -> result.id() == id).findFirst().orElseThrow();
  }

  @Override
  public void close() {
    running.close();
    sessions.close();
  }
}
