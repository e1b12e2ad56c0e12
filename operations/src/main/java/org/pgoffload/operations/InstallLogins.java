package org.pgoffload.operations;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.Secret;
import org.pgoffload.schema.InstallException;
import org.postgresql.PGConnection;

/// Gives roles, such as those of the parts, the right to log in, each with a password. Idempotent:
/// a password is set again, since no role may read whether it is the same.
public final class InstallLogins {
  private InstallLogins() {}

  /// Lets each role log in.
  ///
  /// @param database the owner's login
  /// @param passwords by role; the roles exist
  /// @return one line for each role that could not log in before, or whose password is not ours to
  ///   change
  /// @throws InstallException if one cannot be changed
  public static List<String> run(DatabaseAddress database, Map<String, Secret> passwords) {
    var changes = new ArrayList<String>();
    if (passwords.isEmpty()) {
      return changes;
    }
    try (var connection = database.connectAsPart("pgoffload install")) {
      for (var login : passwords.entrySet()) {
        if (!Query.exists(
            connection, "select from pg_roles where rolname = ? and rolcanlogin", login.getKey())) {
          try (var statement = connection.createStatement()) {
            statement.execute(
                "alter role " + statement.enquoteIdentifier(login.getKey(), true) + " login");
          }
          changes.add("role " + login.getKey() + " may log in");
        }
        try {
          // the driver sends what the server would make of the password, so that no log can show it
          connection
              .unwrap(PGConnection.class)
              .alterUserPassword(login.getKey(), login.getValue().reveal().toCharArray(), null);
        } catch (SQLException e) {
          // on 15 only a superuser changes a role that has been given REPLICATION
          if (!DatabaseFault.is(e, DatabaseFault.INSUFFICIENT_PRIVILEGE)) {
            throw e;
          }
          changes.add(
              "the password of role "
                  + login.getKey()
                  + " is left as it is: this login may not change it, an administrator may");
        }
      }
    } catch (SQLException e) {
      throw new InstallException("the roles cannot be given logins: " + e.getMessage(), e);
    }
    return changes;
  }
}
