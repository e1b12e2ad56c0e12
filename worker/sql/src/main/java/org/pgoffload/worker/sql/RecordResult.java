package org.pgoffload.worker.sql;

import java.sql.SQLException;
import java.util.List;
import org.pgoffload.protocol.SqlError;
import org.pgoffload.protocol.SqlResult;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Records results that are not bound to a task's transaction, waiting for the database while it is
/// away.
///
/// Stateless; safe to share between threads.
final class RecordResult {
  private static final Logger LOG = LoggerFactory.getLogger(RecordResult.class);

  private final TaskRecords records;

  RecordResult(TaskRecords records) {
    this.records = records;
  }

  /// Records a result. One that the database does not take becomes a failure that says so.
  ///
  /// @param describe makes that failure
  /// @throws InterruptedException if the worker is closing
  TaskOutcome.Final record(SqlResult result, DescribeResult describe) throws InterruptedException {
    try {
      return tryRecord(result);
    } catch (SQLException e) {
      LOG.error(
          "The result of request {} cannot be recorded ({}); it ends as failed",
          result.id(),
          e.getSQLState());
      var error =
          SqlError.of(
              "XX000",
              "the result could not be recorded",
              "The database refused it with SQLSTATE " + e.getSQLState() + ".",
              null);
      try {
        return tryRecord(describe.failed(error, List.of(), null));
      } catch (SQLException again) {
        LOG.error(
            "Request {} ends without a result, because the database records none ({})",
            result.id(),
            again.getSQLState());
        return new TaskOutcome.Unrecordable();
      }
    }
  }

  /// Records a result.
  ///
  /// @throws SQLException if the database does not take it
  /// @throws InterruptedException if the worker is closing
  TaskOutcome.Final tryRecord(SqlResult result) throws SQLException, InterruptedException {
    boolean recorded =
        UntilAnswered.ask(
            result.id(),
            () -> records.end(result.id(), result.attempt(), DescribeResult.text(result)));
    return recorded ? new TaskOutcome.Recorded(result) : new TaskOutcome.Superseded();
  }
}
