package org.pgoffload.schema;

import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.postgresql.util.PSQLException;

/// What a caller is told by an error; the empty text where it is told nothing.
public record SqlError(String state, String message, String detail, String hint) {
  public static SqlError of(SQLException e) {
    var server = e instanceof PSQLException p ? p.getServerErrorMessage() : null;
    return new SqlError(
        String.valueOf(e.getSQLState()),
        text(server == null ? e.getMessage() : server.getMessage()),
        text(server == null ? null : server.getDetail()),
        text(server == null ? null : server.getHint()));
  }

  private static String text(@Nullable String text) {
    return text == null ? "" : text;
  }
}
