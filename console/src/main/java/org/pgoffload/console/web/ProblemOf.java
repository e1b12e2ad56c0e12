package org.pgoffload.console.web;

import java.sql.SQLException;
import org.pgoffload.console.database.BusyException;
import org.pgoffload.platform.DatabaseFault;

/// What a fault means to the reader: the server's own words and hint where the role's statement is
/// to blame, and never a stack.
final class ProblemOf {
  private ProblemOf() {}

  static Problem fault(Exception fault) {
    return switch (fault) {
      case Problem problem -> problem;
      case SQLException e -> database(e);
      case BusyException _ ->
          new Problem(
              503,
              "53300",
              "The console has as many sessions of the database open as it may.",
              "Try again in a few seconds.");
      default ->
          new Problem(
              500, "internal", "The page could not be made.", "The console's log says why.");
    };
  }

  private static Problem database(SQLException e) {
    var code = e.getSQLState() == null ? "08000" : e.getSQLState();
    if (DatabaseFault.isConnectionLost(e) || DatabaseFault.isOfClass(e, "57P", "53")) {
      return new Problem(
          503, code, "The database does not answer.", "This page works again when it does.");
    }
    if (DatabaseFault.isOfClass(e, "28")) {
      return new Problem(
          403,
          code,
          "The server does not let this role in any more.",
          "Sign out, and sign in with the present password.");
    }
    if (DatabaseFault.is(e, DatabaseFault.QUERY_CANCELED)) {
      return new Problem(
          503, code, "The database took too long.", "Narrow the filter, or try again.");
    }
    return new Problem(
        DatabaseFault.is(e, DatabaseFault.INSUFFICIENT_PRIVILEGE) ? 403 : 422,
        code,
        DatabaseFault.words(e),
        DatabaseFault.hint(e));
  }
}
