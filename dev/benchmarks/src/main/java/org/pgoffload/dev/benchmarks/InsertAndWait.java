package org.pgoffload.dev.benchmarks;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;

/// A caller's two statements: the INSERT, which commits by itself, and `llm_wait`.
///
/// Not safe to share between threads; ends with its connection.
final class InsertAndWait {
  private final PreparedStatement insert;
  private final PreparedStatement wait;

  InsertAndWait(Connection connection) throws SQLException {
    this.insert =
        connection.prepareStatement("insert into llm_request (prompt) values (?) returning id");
    this.wait =
        connection.prepareStatement("select status from llm_wait(array[?]::bigint[], '60 s')");
  }

  /// Returns the id of the committed request.
  long insert() throws SQLException {
    insert.setString(1, Call.PROMPT);
    try (var row = insert.executeQuery()) {
      row.next();
      return row.getLong(1);
    }
  }

  /// Returns once the answer is visible.
  ///
  /// @throws BenchmarkException if there is none
  void await(long id) throws SQLException {
    wait.setLong(1, id);
    try (var row = wait.executeQuery()) {
      row.next();
      var status = row.getString(1);
      if (!status.equals("succeeded")) {
        throw new BenchmarkException(
            "request " + id + " is " + status + " after llm_wait; no latency can be measured");
      }
    }
  }
}
