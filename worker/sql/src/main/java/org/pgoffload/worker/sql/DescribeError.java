package org.pgoffload.worker.sql;

import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.SqlError;
import org.pgoffload.worker.sql.statements.SqlStatement;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/// Makes an exception of the driver the error that the caller sees.
final class DescribeError {
  private static final String PROTOCOL_VIOLATION = "08P01";
  private static final String UNDEFINED_PARAMETER = "42P02";
  private static final String FEATURE_NOT_SUPPORTED = "0A000";
  private static final String INTERNAL_ERROR = "XX000";

  private DescribeError() {}

  /// What the server said, or null if the exception is the driver's own.
  static @Nullable ServerErrorMessage server(SQLException fault) {
    return fault instanceof PSQLException psql ? psql.getServerErrorMessage() : null;
  }

  /// Whether the driver has closed the connection of its own will, because the task set what it
  /// cannot read. What the connection had begun is rolled back.
  static boolean isUnreadableSetting(SQLException fault) {
    return server(fault) == null && "08006".equals(fault.getSQLState()) && fault.getCause() == null;
  }

  /// @param statement the one that failed, or null if it was none of the task's
  static SqlError of(SQLException fault, @Nullable SqlStatement statement) {
    var server = server(fault);
    if (server == null) {
      return isUnreadableSetting(fault)
          ? SqlError.of(
              FEATURE_NOT_SUPPORTED,
              "DateStyle and client_encoding cannot be changed to this in pg_background",
              null,
              "DateStyle has to begin with ISO, and client_encoding has to be UTF8. What the rows"
                  + " look like is the caller's to set.")
          : SqlError.of(
              Texts.sqlState(fault.getSQLState(), INTERNAL_ERROR),
              Texts.cut(String.valueOf(fault.getMessage())),
              null,
              null);
    }
    if (isMissingParameter(server)) {
      return SqlError.of(
          UNDEFINED_PARAMETER,
          "there is no parameter $1",
          null,
          "A command in the background has no parameters: put the values into its text, with"
              + " format() and %L.");
    }
    return new SqlError(
        Texts.sqlState(server.getSQLState(), INTERNAL_ERROR),
        Texts.cut(String.valueOf(server.getMessage())),
        Texts.cutOrNull(server.getDetail()),
        Texts.cutOrNull(server.getHint()),
        Texts.cutOrNull(server.getWhere()),
        new SqlError.NamedObject(
            server.getSchema(),
            server.getTable(),
            server.getColumn(),
            server.getDatatype(),
            server.getConstraint()),
        statement == null || server.getPosition() < 1
            ? null
            : (Integer) statement.positionInCommand(server.getPosition()));
  }

  /// The driver binds nothing, and the server says so in the words of the protocol.
  private static boolean isMissingParameter(ServerErrorMessage server) {
    return PROTOCOL_VIOLATION.equals(server.getSQLState())
        && "exec_bind_message".equals(server.getRoutine());
  }
}
