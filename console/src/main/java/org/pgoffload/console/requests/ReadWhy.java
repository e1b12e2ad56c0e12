package org.pgoffload.console.requests;

import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.database.RoleSession;

/// Reads why a request waits.
final class ReadWhy {
  private ReadWhy() {}

  static ShownRequest.State state(
      RoleSession session, long id, String status, ShownRequest.@Nullable Fault fault)
      throws SQLException {
    return new ShownRequest.State(
        status, ShownRequest.isPending(status) ? why(session, id) : null, fault);
  }

  private static ShownRequest.@Nullable Why why(RoleSession session, long id) throws SQLException {
    return session
        .first(
            "select w.reason, w.hint, w.until, w.as_of from ${public_schema}.request_why(?) w",
            row ->
                new ShownRequest.Why(
                    row.getString("reason"),
                    row.getString("hint"),
                    Facts.instant(row, "until"),
                    Facts.instant(row, "as_of")),
            id)
        .orElse(null);
  }
}
