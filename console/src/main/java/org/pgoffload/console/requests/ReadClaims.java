package org.pgoffload.console.requests;

import java.sql.SQLException;
import java.util.List;
import org.pgoffload.console.database.RoleSession;

/// Reads which workers have begun a request.
final class ReadClaims {
  private ReadClaims() {}

  static List<ShownRequest.Hop> of(RoleSession session, long id) throws SQLException {
    return session.rows(
        """
        select c.attempt, c.worker, c.claimed_at from pgoffload.claim c
        where c.id = ? order by c.attempt
        """,
        row ->
            new ShownRequest.Hop(
                "Claimed",
                Facts.instant(row, "claimed_at"),
                "by "
                    + row.getString("worker")
                    + (row.getInt("attempt") > 1 ? ", attempt " + row.getInt("attempt") : "")),
        id);
  }
}
