package org.pgoffload.worker.sql;

import java.sql.SQLException;
import org.pgoffload.worker.sql.statements.CommandTag;
import org.pgoffload.worker.sql.statements.SqlStatement;
import org.postgresql.util.ServerErrorMessage;

/// Tells the statements that cannot run in a transaction block from those that merely fail.
final class OutsideTransaction {
  private OutsideTransaction() {}

  /// Whether the server refused a statement because of the transaction block it was in, so that it
  /// has had no effect that a rollback leaves. The SQLSTATE proves nothing: anybody can raise it.
  ///
  /// @param statement the only one of its task
  static boolean isNeeded(SQLException fault, SqlStatement statement) {
    var server = DescribeError.server(fault);
    var routine = server == null ? null : server.getRoutine();
    if (server == null || routine == null) {
      return false;
    }
    return switch (routine) {
      case "PreventInTransactionBlock" -> isAtTheTop(server);
      case "_SPI_commit", "_SPI_rollback" -> CommandTag.beginsWith(statement.text(), "call", "do");
      default -> false;
    };
  }

  /// A function that executes such a statement would be refused outside a transaction too.
  private static boolean isAtTheTop(ServerErrorMessage server) {
    return server.getWhere() == null;
  }
}
