package org.pgoffload.console.database;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Query;

/// A session of the signed-in role, open for one look or one action.
///
/// In statements, `${public_schema}` stands for the schema of the public objects. The search path
/// is `pg_catalog, pg_temp`: every object of ours is named with its schema.
public final class RoleSession {
  private final Connection connection;
  private final String publicSchema;

  RoleSession(Connection connection, String publicSchema) {
    this.connection = connection;
    this.publicSchema = publicSchema;
  }

  /// All rows, in their order.
  public <T extends @Nullable Object> List<T> rows(
      String sql, Query.ReadRow<T> row, @Nullable Object... parameters) throws SQLException {
    return Query.rows(connection, text(sql), row, parameters);
  }

  /// The first row, if there is one.
  public <T> Optional<T> first(
      String sql, Query.ReadRow<@Nullable T> row, @Nullable Object... parameters)
      throws SQLException {
    return Query.first(connection, text(sql), row, parameters);
  }

  /// The one row.
  public <T extends @Nullable Object> T row(
      String sql, Query.ReadRow<T> row, @Nullable Object... parameters) throws SQLException {
    return Query.row(connection, text(sql), row, parameters);
  }

  /// Whether there is a row.
  public boolean exists(String sql, @Nullable Object... parameters) throws SQLException {
    return Query.exists(connection, text(sql), parameters);
  }

  /// Whether the role is a member of `pgoffload_operator` at this moment.
  public boolean isOperator() throws SQLException {
    return row("select pgoffload.is_operator()", row -> row.getBoolean(1));
  }

  private String text(String sql) {
    return sql.replace("${public_schema}", publicSchema);
  }
}
