package org.pgoffload.worker.sql;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultHead;
import org.pgoffload.protocol.SqlColumn;
import org.pgoffload.protocol.SqlError;
import org.pgoffload.protocol.SqlNotice;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.worker.sql.rows.GatherRows;
import org.pgoffload.worker.sql.sessions.RunningTask;
import org.pgoffload.worker.sql.sessions.SqlClaim;
import org.pgoffload.worker.sql.sessions.SqlTask;
import org.pgoffload.worker.sql.statements.CommandTag;

/// Makes the terminal results of one attempt at a task.
final class DescribeResult {
  private static final SqlResult.Returned NO_ROWS = SqlResult.Returned.count(null);

  private final SqlTask task;
  private final SqlClaim claim;
  private final String worker;
  private final InstantSource clock;
  private final long begun = System.nanoTime();

  DescribeResult(SqlTask task, SqlClaim claim, String worker, InstantSource clock) {
    this.task = task;
    this.claim = claim;
    this.worker = worker;
    this.clock = clock;
  }

  /// @param columns of the last statement, or null if it returned no rows
  // a record's class file does not say that values within its rows may be null
  @SuppressWarnings("NullAway")
  SqlResult succeeded(
      List<String> tags,
      @Nullable List<SqlColumn> columns,
      GatherRows.Gathered rows,
      @Nullable List<SqlNotice> notices) {
    boolean withRows = columns != null && task.rows().wanted();
    var count = rowCount(tags, columns, rows);
    var returned =
        withRows
            ? new SqlResult.Returned(
                count, columns, rows.inline(), rows.chunks(), rows.split(), rows.stored(), null)
            : SqlResult.Returned.count(count);
    return result(Result.SUCCEEDED, tags, returned, null, notices);
  }

  SqlResult failed(SqlError error, List<String> tags, @Nullable List<SqlNotice> notices) {
    return result(Result.FAILED, tags, NO_ROWS, error, notices);
  }

  /// What the database has decided before it was run.
  SqlResult ended(SqlClaim.Ending ending) {
    return result(ending.status(), List.of(), NO_ROWS, ending.error(), null);
  }

  /// Stopped by somebody or by its deadline.
  SqlResult stopped(RunningTask.Stop reason, List<String> tags, @Nullable List<SqlNotice> notices) {
    boolean expired = reason == RunningTask.Stop.EXPIRED;
    return result(
        expired ? Result.EXPIRED : Result.CANCELLED,
        tags,
        NO_ROWS,
        SqlError.of(
            "57014",
            expired
                ? "canceling statement due to the timeout of the request"
                : "canceling statement due to user request",
            null,
            null),
        notices);
  }

  /// Its session was lost each time it was run.
  SqlResult lost() {
    return connectionLost(
        "The connection to the database broke each time the task ran; nothing of it was committed.",
        null);
  }

  /// Its session was lost while it ran outside a transaction block.
  SqlResult unknown() {
    return connectionLost(
        "The connection was lost while the command ran outside a transaction block: its outcome is"
            + " unknown.",
        "Look whether it took effect before you run it again.");
  }

  private SqlResult connectionLost(String detail, @Nullable String hint) {
    var message = "lost connection to worker process with PID " + task.pid();
    return failed(SqlError.of("08006", message, detail, hint), List.of(), null);
  }

  /// As the database takes it.
  static String text(SqlResult result) {
    return new String(result.write(), StandardCharsets.UTF_8);
  }

  private static @Nullable Long rowCount(
      List<String> tags, @Nullable List<SqlColumn> columns, GatherRows.Gathered rows) {
    if (columns != null) {
      return rows.count();
    }
    long count = tags.isEmpty() ? -1 : CommandTag.count(tags.getLast());
    return count < 0 ? null : (Long) count;
  }

  private SqlResult result(
      String status,
      List<String> tags,
      SqlResult.Returned returned,
      @Nullable SqlError error,
      @Nullable List<SqlNotice> notices) {
    var queued = Duration.between(task.createdAt(), claim.claimedAt()).toNanos() / 1e6;
    return new SqlResult(
        ResultHead.of(
            task.key(), SqlResult.KIND, status, task.launcher().user(), task.launcher().userOid()),
        claim.attempt(),
        tags,
        returned,
        error,
        notices,
        new SqlResult.Run(
            Math.max(0, queued),
            (System.nanoTime() - begun) / 1e6,
            worker,
            clock.instant().truncatedTo(ChronoUnit.MICROS).toString()));
  }
}
