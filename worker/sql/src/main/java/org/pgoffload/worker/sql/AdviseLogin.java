package org.pgoffload.worker.sql;

import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.PoolerException;
import org.pgoffload.worker.sql.sessions.TaskLogin;

/// Says what an administrator grants or alters, so that a worker is let in as a role. The server
/// words its refusals in its own language: their SQLSTATE and the routine that raised them tell.
final class AdviseLogin {
  /// Where the server looks at the role, after it has proved who it is.
  private static final String OF_THE_ROLE = "InitializeSessionUserId";

  /// Where it looks at the database after that.
  private static final String OF_THE_DATABASE = "CheckMyDatabase";

  private AdviseLogin() {}

  /// @param role as it is now, or null if it could not be looked up
  /// @param database that it was to be logged in to
  static String hint(SQLException refusal, @Nullable TaskLogin role, String database) {
    if (refusal instanceof PoolerException) {
      return "Have an administrator set PGOFFLOAD_SQL_DATABASE_URL of the workers.";
    }
    var server = DescribeError.server(refusal);
    var routine = server == null ? "" : String.valueOf(server.getRoutine());
    var name = role == null ? "…" : quoted(role.name());
    var base = quoted(database);
    var state = String.valueOf(refusal.getSQLState());
    if (role != null && role.expired() && (state.equals("28000") || state.equals("28P01"))) {
      return "Its password has expired. Have an administrator run: alter role "
          + name
          + " valid until 'infinity'; or let the worker log in by its client certificate.";
    }
    return switch (state + " " + routine) {
      case "42501 " + OF_THE_DATABASE ->
          "Have an administrator run: grant connect on database " + base + " to " + name;
      case "55000 " + OF_THE_DATABASE ->
          "Have an administrator run: alter database " + base + " allow_connections true";
      case "28000 " + OF_THE_ROLE -> "Have an administrator run: alter role " + name + " login";
      case "53300 " + OF_THE_ROLE ->
          "Its connection limit is used up. Have an administrator run: alter role "
              + name
              + " connection limit …; or lower PGOFFLOAD_SQL_MAX_CONNECTIONS_PER_ROLE of the"
              + " workers.";
      case "53300 " + OF_THE_DATABASE ->
          "The connection limit of the database is used up. Have an administrator run: alter"
              + " database "
              + base
              + " connection limit …; or lower PGOFFLOAD_SQL_MAX_CONNECTIONS of the workers.";
      default ->
          state.startsWith("53")
              ? "The server has no connection left: see max_connections, and"
                  + " PGOFFLOAD_SQL_MAX_CONNECTIONS of the workers."
              : "Let the worker log in as it: by its client certificate (pg_hba.conf and"
                  + " pg_ident.conf), or by an entry in its password file. Then launch again.";
    };
  }

  private static String quoted(String name) {
    return name.matches("[a-z_][a-z0-9_]*") ? name : '"' + name.replace("\"", "\"\"") + '"';
  }
}
