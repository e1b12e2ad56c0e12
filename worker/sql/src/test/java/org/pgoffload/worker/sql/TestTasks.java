package org.pgoffload.worker.sql;

import java.time.Instant;
import org.pgoffload.worker.sql.sessions.SqlTask;

/// Tasks without a database behind them.
public final class TestTasks {
  private TestTasks() {}

  public static SqlTask task(String command) {
    return task(1, command, 65_536);
  }

  public static SqlTask task(long id, String command, int queueSize) {
    return task(id, 10, command, queueSize);
  }

  public static SqlTask task(long id, long role, String command, int queueSize) {
    return new SqlTask(
        id,
        "alice",
        role,
        role,
        command,
        null,
        queueSize,
        "{}",
        null,
        null,
        0,
        true,
        null,
        Instant.EPOCH,
        null);
  }
}
