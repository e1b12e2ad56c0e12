package org.pgoffload.dev.faults.installation;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.pgoffload.platform.Query;

/// Single statements.
public final class Sql {
  private Sql() {}

  public static void execute(Connection connection, String sql) throws SQLException {
    try (var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /// The first column of all rows, as text.
  public static List<String> query(Connection connection, String sql) throws SQLException {
    return Query.rows(connection, sql, row -> row.getString(1));
  }

  public static long number(Connection connection, String sql) throws SQLException {
    return Long.parseLong(query(connection, sql).getFirst());
  }
}
