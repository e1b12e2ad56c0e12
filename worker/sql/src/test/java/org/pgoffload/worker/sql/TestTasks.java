package org.pgoffload.worker.sql;

import java.time.Instant;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.RequestKey;
import org.pgoffload.worker.sql.sessions.SqlTask;

/// Tasks without a database behind them.
public final class TestTasks {
  /// Of a task that waits for no other.
  static final SqlTask.Scheduling FREE = new SqlTask.Scheduling(null, null, 0, null);

  private TestTasks() {}

  public static SqlTask task(String command) {
    return task(1, command, 65_536);
  }

  public static SqlTask task(long id, String command, int queueSize) {
    return task(id, 10, command, queueSize);
  }

  public static SqlTask task(long id, long role, String command, int queueSize) {
    return new SqlTask(
        new RequestKey(id, new UUID(0, id)),
        new SqlTask.Launcher("alice", role, role),
        new SqlTask.Command(command, null, "{}"),
        new SqlTask.Rows(queueSize, true),
        FREE,
        Instant.EPOCH,
        null);
  }

  /// The same task with other rows.
  public static SqlTask with(SqlTask task, SqlTask.Rows rows) {
    return with(task, rows, task.scheduling(), task.until());
  }

  /// The same task, scheduled otherwise.
  public static SqlTask with(SqlTask task, SqlTask.Scheduling scheduling) {
    return with(task, task.rows(), scheduling, task.until());
  }

  /// The same task with a deadline.
  public static SqlTask until(Instant deadline, SqlTask task) {
    return with(task, task.rows(), task.scheduling(), deadline);
  }

  private static SqlTask with(
      SqlTask task, SqlTask.Rows rows, SqlTask.Scheduling scheduling, @Nullable Instant until) {
    return new SqlTask(
        task.key(), task.launcher(), task.command(), rows, scheduling, task.createdAt(), until);
  }
}
