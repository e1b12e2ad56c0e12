package org.pgoffload.worker.sql.statements;

import java.sql.SQLException;
import java.util.List;

/// A statement that no task may contain.
public final class RefusedStatement extends SQLException {
  private static final long serialVersionUID = 1L;

  private static final String FEATURE_NOT_SUPPORTED = "0A000";

  private RefusedStatement(String message) {
    super(message, FEATURE_NOT_SUPPORTED);
  }

  /// Looks at all statements before any of them runs.
  ///
  /// @throws RefusedStatement if one of them cannot be run in the background
  public static void check(List<SqlStatement> statements) throws RefusedStatement {
    for (var statement : statements) {
      switch (statement.kind()) {
        case TRANSACTION_CONTROL ->
            throw new RefusedStatement(
                "transaction control statements are not allowed in pg_background");
        case COPY_FROM_STDIN -> throw copy();
        case LISTEN -> throw new RefusedStatement("LISTEN is not allowed in pg_background");
        case COPY_TO_STDOUT, OTHER -> {}
      }
    }
  }

  /// The refusal of COPY from or to the client, which a task has not.
  public static RefusedStatement copy() {
    return new RefusedStatement("COPY protocol not allowed in pg_background");
  }
}
