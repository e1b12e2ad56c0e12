package org.pgoffload.console.requests;

import java.sql.SQLException;
import java.util.List;
import org.pgoffload.console.database.RoleSession;
import org.pgoffload.platform.Query;

/// Has requests cancelled.
final class CancelRequests {
  private CancelRequests() {}

  /// Cancels them; how many had not ended yet.
  static int of(RoleSession session, List<ListedRequest> requests) throws SQLException {
    note(session, "cancel", requests.stream().map(ListedRequest::id).toList());
    return cancelled(session, "sql_cancel", requests.stream().filter(ListedRequest::isSql).toList())
        + cancelled(
            session, "llm_cancel", requests.stream().filter(each -> !each.isSql()).toList());
  }

  /// Notes in the log of actions what is done to requests, with the transaction that does it.
  static void note(RoleSession session, String what, List<Long> ids) throws SQLException {
    session.row(
        "select pgoffload.note_action(?, ?)",
        row -> row.getLong(1),
        what,
        Query.array("bigint", ids, id -> id));
  }

  private static int cancelled(RoleSession session, String function, List<ListedRequest> requests)
      throws SQLException {
    return requests.isEmpty()
        ? 0
        : session.row(
            "select count(*) filter (where ${public_schema}." + function + "(i)) from unnest(?) i",
            row -> row.getInt(1),
            Query.array("bigint", requests, ListedRequest::id));
  }
}
