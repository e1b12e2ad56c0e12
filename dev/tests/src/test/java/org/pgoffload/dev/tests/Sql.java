package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.OnSharedInstallation.PATIENCE;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/// Statements as a user would send them.
final class Sql {
  private Sql() {}

  static void execute(Connection connection, String sql) throws SQLException {
    try (var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /// The first column of all rows, as text.
  static List<String> query(Connection connection, String sql) throws SQLException {
    try (var statement = connection.createStatement();
        var rows = statement.executeQuery(sql)) {
      var values = new ArrayList<String>();
      while (rows.next()) {
        values.add(rows.getString(1));
      }
      return values;
    }
  }

  /// The first column of the first row.
  static String value(Connection connection, String sql) throws SQLException {
    return query(connection, sql).getFirst();
  }

  /// Waits until the first column of all rows is this.
  static void awaitRows(Connection connection, String sql, String... rows) {
    await()
        .atMost(PATIENCE)
        .untilAsserted(() -> assertThat(query(connection, sql)).containsExactly(rows));
  }
}
