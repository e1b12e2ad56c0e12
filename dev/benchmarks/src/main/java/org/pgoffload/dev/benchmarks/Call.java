package org.pgoffload.dev.benchmarks;

import java.sql.Connection;
import java.sql.SQLException;

/// One way in, on one connection: a call returns with its answer.
///
/// Not safe to share between threads; ends with its connection.
@FunctionalInterface
interface Call {
  String PROMPT = "Why is the sky blue?";

  void make() throws SQLException;

  /// Prepares the calls of a connection.
  @FunctionalInterface
  interface Way {
    Call on(Connection connection) throws SQLException;
  }

  /// An INSERT, which commits by itself, and `llm_wait`.
  static Call insertAndWait(Connection connection) throws SQLException {
    var caller = new InsertAndWait(connection);
    return () -> caller.await(caller.insert());
  }

  /// `llm_ask`.
  static Call ask(Connection connection) throws SQLException {
    return query(connection, "select llm_ask('" + PROMPT + "', timeout => '60 s')");
  }

  /// `pg_background_launch`, read in the same statement.
  static Call launch(Connection connection) throws SQLException {
    // by a name that means the same whichever pg_background the installation follows
    return query(
        connection,
        "select n from pg_background_launch('select 1', 0, null) h,"
            + " lateral pg_background_result(h.pid, h.cookie) as (n int)");
  }

  private static Call query(Connection connection, String sql) throws SQLException {
    var statement = connection.prepareStatement(sql);
    return () -> {
      try (var row = statement.executeQuery()) {
        row.next();
      }
    };
  }
}
