package org.pgoffload.worker.sql;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.pgoffload.worker.delivery.RecentRequests;
import org.pgoffload.worker.sql.sessions.RunningTask;
import org.pgoffload.worker.sql.sessions.SqlTask;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// All tasks that run here. A thread of its own interrupts those that are to stop, again and again
/// until they have; another one looks for those whose sessions are gone.
///
/// Safe to share between threads.
public final class RunningTasks implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RunningTasks.class);

  private static final long LOOK_EVERY_MILLIS = 50;

  /// How often sessions are looked at.
  static final Duration SESSIONS_EVERY = Duration.ofSeconds(5);

  /// More than are ever between the claim of a request and its beginning.
  private static final int MOST_CANCELLED = 10_000;

  private final Map<Long, RunningTask> running = new ConcurrentHashMap<>();
  private final RecentRequests<Long> cancelled = new RecentRequests<>(MOST_CANCELLED);
  private final ScheduledExecutorService watch =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().name("pgoffload-sql-watch").daemon().factory());
  private final ExecutorService cancels =
      Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("pgoffload-cancel-", 0).factory());

  private final ScheduledExecutorService sessionsWatch =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().name("pgoffload-sql-sessions").daemon().factory());

  /// Begins to watch.
  public RunningTasks(TaskRecords records) {
    this(records, SESSIONS_EVERY);
  }

  /// @param sessionsEvery how often sessions are looked at, and how long one must have been used
  RunningTasks(TaskRecords records, Duration sessionsEvery) {
    var sessions = new WatchSessions(records, sessionsEvery);
    var _ =
        sessionsWatch.scheduleWithFixedDelay(
            () -> look(sessions),
            sessionsEvery.toMillis(),
            sessionsEvery.toMillis(),
            TimeUnit.MILLISECONDS);
    var _ =
        watch.scheduleWithFixedDelay(
            this::interrupt, LOOK_EVERY_MILLIS, LOOK_EVERY_MILLIS, TimeUnit.MILLISECONDS);
  }

  /// A task begins.
  ///
  /// @param now by the database's clock
  public RunningTask begin(SqlTask task, Instant now) {
    var left = task.deadline().map(deadline -> Duration.between(now, deadline));
    var begun = new RunningTask(task.id(), left);
    running.put(task.id(), begun);
    if (isCancelled(task.id())) {
      begun.stop(RunningTask.Stop.CANCELLED);
    }
    return begun;
  }

  /// It runs here no longer.
  public void end(SqlTask task, RunningTask ended) {
    running.remove(task.id(), ended);
  }

  /// The task of this id, if it runs here.
  public Optional<RunningTask> find(long id) {
    return Optional.ofNullable(running.get(id));
  }

  /// Stops a task, or lets it stop when it begins: it may just have been claimed.
  public void cancel(long id) {
    cancelled.add(id);
    find(id).ifPresent(task -> task.stop(RunningTask.Stop.CANCELLED));
  }

  /// Stops all, so that the next worker runs them.
  public void leaveAll() {
    running.values().forEach(task -> task.stop(RunningTask.Stop.CLOSING));
  }

  /// The database was failed over: what the sessions of before do is lost.
  public void loseSessions() {
    running.values().forEach(task -> task.use().ifPresent(use -> use.session().abort()));
  }

  /// Whether it was cancelled, as far back as is remembered.
  public boolean isCancelled(long id) {
    return cancelled.contains(id);
  }

  private void interrupt() {
    try {
      for (var task : running.values()) {
        if (task.isToBeCancelled()) {
          cancels.execute(task::cancel);
        }
      }
    } catch (RuntimeException e) {
      LOG.warn("The tasks that are to stop could not be looked at; trying again", e);
    }
  }

  private void look(WatchSessions sessions) {
    try {
      sessions.look(running.values());
    } catch (RuntimeException e) {
      LOG.warn("The sessions of tasks could not be looked at; trying again", e);
    }
  }

  /// Watches no longer. The tasks must have ended.
  @Override
  public void close() {
    sessionsWatch.shutdownNow();
    watch.shutdownNow();
    cancels.shutdownNow();
  }
}
