package org.pgoffload.platform;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/// Runs one SQL statement and reads its rows, with everything closed afterwards.
///
/// Parameters are bound in their order, each by its Java type: `String`, `Long`, `Integer`,
/// `Boolean`, `byte[]`, [#array], or null. The type in the database follows from that, or from a
/// cast such as `?::jsonb` in the statement.
///
/// Code that needs one statement several times, several results, or rows one after another without
/// keeping them all uses JDBC itself.
public final class Query {
  private Query() {}

  /// Reads the current row. Columns count from 1.
  @FunctionalInterface
  public interface ReadRow<T extends @Nullable Object> {
    T read(ResultSet row) throws SQLException;
  }

  /// Takes the current row. Columns count from 1.
  @FunctionalInterface
  public interface TakeRow {
    void take(ResultSet row) throws SQLException;
  }

  private record Elements(String type, Collection<? extends @Nullable Object> values) {
    /// The driver sends arrays of these types in binary: nothing is escaped, and nothing is parsed.
    private @Nullable Object[] typed() {
      return switch (type) {
        case "bigint" -> values.toArray(Long[]::new);
        case "integer" -> values.toArray(Integer[]::new);
        case "text" -> values.toArray(String[]::new);
        default -> values.toArray();
      };
    }
  }

  /// An array as a parameter.
  ///
  /// @param type of its elements in the database, such as `bigint`
  public static Object array(String type, Collection<? extends @Nullable Object> values) {
    return new Elements(type, values);
  }

  /// An array as a parameter, of something of each member.
  ///
  /// @param type of its elements in the database
  public static <T> Object array(
      String type, Collection<T> of, Function<T, ? extends @Nullable Object> element) {
    return new Elements(type, of.stream().<@Nullable Object>map(element).toList());
  }

  /// Takes each row in its order.
  public static void each(
      Connection connection, String sql, TakeRow take, @Nullable Object... parameters)
      throws SQLException {
    try (var statement = prepare(connection, sql, parameters);
        var rows = statement.executeQuery()) {
      while (rows.next()) {
        take.take(rows);
      }
    }
  }

  /// Takes each row in its order, on a connection of a pool.
  public static void each(
      DataSource database, String sql, TakeRow take, @Nullable Object... parameters)
      throws SQLException {
    try (var connection = database.getConnection()) {
      each(connection, sql, take, parameters);
    }
  }

  /// All rows, in their order, in a list that may be changed.
  public static <T extends @Nullable Object> List<T> rows(
      Connection connection, String sql, ReadRow<T> row, @Nullable Object... parameters)
      throws SQLException {
    var read = new ArrayList<T>();
    each(connection, sql, each -> read.add(row.read(each)), parameters);
    return read;
  }

  /// All rows, on a connection of a pool.
  public static <T extends @Nullable Object> List<T> rows(
      DataSource database, String sql, ReadRow<T> row, @Nullable Object... parameters)
      throws SQLException {
    try (var connection = database.getConnection()) {
      return rows(connection, sql, row, parameters);
    }
  }

  /// The ids in the one column of all rows, in a set that may be changed.
  public static Set<Long> ids(DataSource database, String sql, @Nullable Object... parameters)
      throws SQLException {
    var ids = new HashSet<Long>();
    each(database, sql, row -> ids.add(row.getLong(1)), parameters);
    return ids;
  }

  /// The first row, of a statement that always returns one.
  ///
  /// @throws SQLException also if there is none
  public static <T extends @Nullable Object> T row(
      Connection connection, String sql, ReadRow<T> row, @Nullable Object... parameters)
      throws SQLException {
    try (var statement = prepare(connection, sql, parameters);
        var rows = statement.executeQuery()) {
      rows.next();
      return row.read(rows);
    }
  }

  /// The first row of a statement that always returns one, on a connection of a pool.
  public static <T extends @Nullable Object> T row(
      DataSource database, String sql, ReadRow<T> row, @Nullable Object... parameters)
      throws SQLException {
    try (var connection = database.getConnection()) {
      return row(connection, sql, row, parameters);
    }
  }

  /// The first row, if there is one and the reader returns something.
  public static <T> Optional<T> first(
      Connection connection, String sql, ReadRow<@Nullable T> row, @Nullable Object... parameters)
      throws SQLException {
    try (var statement = prepare(connection, sql, parameters);
        var rows = statement.executeQuery()) {
      return rows.next() ? Optional.ofNullable(row.read(rows)) : Optional.empty();
    }
  }

  /// The first row, if there is one, on a connection of a pool.
  public static <T> Optional<T> first(
      DataSource database, String sql, ReadRow<@Nullable T> row, @Nullable Object... parameters)
      throws SQLException {
    try (var connection = database.getConnection()) {
      return first(connection, sql, row, parameters);
    }
  }

  /// Whether there is a row.
  public static boolean exists(Connection connection, String sql, @Nullable Object... parameters)
      throws SQLException {
    return first(connection, sql, _ -> true, parameters).isPresent();
  }

  /// Runs a statement whose rows, if any, do not matter.
  public static void execute(Connection connection, String sql, @Nullable Object... parameters)
      throws SQLException {
    try (var statement = prepare(connection, sql, parameters)) {
      statement.execute();
    }
  }

  /// Runs a statement whose rows, if any, do not matter, on a connection of a pool.
  public static void execute(DataSource database, String sql, @Nullable Object... parameters)
      throws SQLException {
    try (var connection = database.getConnection()) {
      execute(connection, sql, parameters);
    }
  }

  private static PreparedStatement prepare(
      Connection connection, String sql, @Nullable Object[] parameters) throws SQLException {
    var statement = connection.prepareStatement(sql);
    try {
      for (int i = 0; i < parameters.length; i++) {
        statement.setObject(
            i + 1,
            parameters[i] instanceof Elements array
                ? connection.createArrayOf(array.type, array.typed())
                : parameters[i]);
      }
      return statement;
    } catch (SQLException e) {
      statement.close();
      throw e;
    }
  }
}
