package org.pgoffload.console.requests;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.pgoffload.console.database.RoleSession;
import org.pgoffload.console.web.Problem;

/// Reads one request of either kind: its row, and the moments of its way.
final class ReadRow {
  private ReadRow() {}

  /// Makes a page's request of its row.
  interface Show {
    ShownRequest of(ResultSet row, List<ShownRequest.Hop> timeline) throws SQLException;
  }

  /// @param query of one row by the id, with `created_at`, `finished_at` and `status`
  /// @throws Problem if the role sees no request of this id
  static ShownRequest of(RoleSession session, long id, String query, Show show)
      throws SQLException {
    var claims = claims(session, id);
    return session
        .first(query, row -> show.of(row, timeline(row, claims)), id)
        .orElseThrow(() -> notFound(id));
  }

  static Problem notFound(long id) {
    return Problem.notFound("There is no request " + id + " that you may see.");
  }

  private static List<ShownRequest.Hop> timeline(ResultSet row, List<ShownRequest.Hop> claims)
      throws SQLException {
    var hops = new ArrayList<ShownRequest.Hop>();
    hops.add(new ShownRequest.Hop("Asked", Facts.instant(row, "created_at"), ""));
    hops.addAll(claims);
    var ended = Facts.instant(row, "finished_at");
    if (ended != null) {
      hops.add(new ShownRequest.Hop("Ended", ended, row.getString("status")));
    }
    return hops;
  }

  /// Which workers have begun it.
  private static List<ShownRequest.Hop> claims(RoleSession session, long id) throws SQLException {
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
