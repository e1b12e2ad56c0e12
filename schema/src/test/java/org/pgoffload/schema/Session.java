package org.pgoffload.schema;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseAddress;

/// One connection, with SQL as text in and text out. For one thread at a time.
public final class Session implements AutoCloseable {
  private final Connection connection;

  private Session(Connection connection) {
    this.connection = connection;
  }

  public static Session open(DatabaseAddress address) {
    try {
      return new Session(address.connect("test"));
    } catch (SQLException e) {
      throw new AssertionError("no connection to " + address, e);
    }
  }

  public Connection connection() {
    return connection;
  }

  /// Runs a statement, or several without arguments.
  public void run(String sql, @Nullable Object... arguments) {
    rows(sql, arguments);
  }

  /// Sets what the session remembers of a wait; %s becomes now.
  public void remember(String setting, String value) {
    value(
        "select set_config(?, replace(?, '%s', (extract(epoch from clock_timestamp()) *"
            + " 1000)::bigint::text), false)",
        setting, value);
  }

  /// The first column of the one row.
  public @Nullable String value(String sql, @Nullable Object... arguments) {
    var rows = execute(sql, arguments);
    if (rows.size() != 1) {
      throw new AssertionError(rows.size() + " rows instead of one: " + sql);
    }
    return rows.getFirst().getFirst();
  }

  public long number(String sql, @Nullable Object... arguments) {
    var value = value(sql, arguments);
    if (value == null) {
      throw new AssertionError("null instead of a number: " + sql);
    }
    return Long.parseLong(value);
  }

  /// All rows, their columns separated by a bar.
  public List<String> rows(String sql, @Nullable Object... arguments) {
    return execute(sql, arguments).stream()
        .map(row -> String.join("|", row.stream().map(String::valueOf).toList()))
        .toList();
  }

  /// The error with which the statement fails.
  public SqlError refused(String sql, @Nullable Object... arguments) {
    try {
      var rows = tryExecute(sql, arguments);
      throw new AssertionError("not refused, but gave " + rows + ": " + sql);
    } catch (SQLException e) {
      return SqlError.of(e);
    }
  }

  /// Ends what a test has left open; false if the connection is lost.
  boolean isReset() {
    try (var statement = connection.createStatement()) {
      statement.execute("rollback");
      return true;
    } catch (SQLException e) {
      return false;
    }
  }

  @Override
  public void close() {
    try {
      connection.close();
    } catch (SQLException e) {
      throw new AssertionError("the connection cannot be closed", e);
    }
  }

  private List<List<@Nullable String>> execute(String sql, @Nullable Object... arguments) {
    try {
      return tryExecute(sql, arguments);
    } catch (SQLException e) {
      throw new AssertionError(
          SqlError.of(e) + ": " + sql.substring(0, Math.min(sql.length(), 500)), e);
    }
  }

  private List<List<@Nullable String>> tryExecute(String sql, @Nullable Object... arguments)
      throws SQLException {
    // a question mark is an operator where there is nothing to fill in
    if (arguments.length == 0) {
      try (var statement = connection.createStatement()) {
        statement.setEscapeProcessing(false);
        return read(statement, statement.execute(sql));
      }
    }
    try (var statement = connection.prepareStatement(sql)) {
      fill(statement, arguments);
      return read(statement, statement.execute());
    }
  }

  private void fill(PreparedStatement statement, @Nullable Object... arguments)
      throws SQLException {
    for (int i = 0; i < arguments.length; i++) {
      switch (arguments[i]) {
        case Long[] ids -> statement.setArray(i + 1, connection.createArrayOf("bigint", ids));
        case String[] texts -> statement.setArray(i + 1, connection.createArrayOf("text", texts));
        case null, default -> statement.setObject(i + 1, arguments[i]);
      }
    }
  }

  private static List<List<@Nullable String>> read(Statement statement, boolean hasRows)
      throws SQLException {
    if (!hasRows) {
      return List.of();
    }
    try (var result = statement.getResultSet()) {
      return rows(result);
    }
  }

  /// The rows as text.
  static List<List<@Nullable String>> rows(ResultSet result) throws SQLException {
    var columns = result.getMetaData().getColumnCount();
    var rows = new ArrayList<List<@Nullable String>>();
    while (result.next()) {
      var row = new ArrayList<@Nullable String>();
      for (int column = 1; column <= columns; column++) {
        row.add(result.getString(column));
      }
      rows.add(row);
    }
    return rows;
  }
}
