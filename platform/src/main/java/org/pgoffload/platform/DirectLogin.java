package org.pgoffload.platform;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Properties;
import org.postgresql.PGConnection;

/// Logs in to a server, and refuses a pooler. Parts keep locks and settings in their sessions,
/// listen, and read a replication slot: each session has to be one of the server's, in every mode
/// of a pooler.
///
/// A server tells its client the session's process at the login. A pooler makes a number up, or
/// tells none, because its client has no process. A proxy may do so, too, and pass everything else
/// on: then the settings of the login arrive, which a pooler refuses or drops.
public final class DirectLogin {
  /// Every session of a part or a task sends it with its login.
  private static final String SOURCE_OF_A_SETTING =
      "select s.source from pg_catalog.pg_settings s where s.name = 'default_transaction_deferrable'";

  private DirectLogin() {}

  /// Logs in.
  ///
  /// @throws PoolerException if a pooler refuses what comes with the login
  public static Connection open(DatabaseAddress address, Properties properties)
      throws SQLException {
    try {
      return DriverManager.getConnection(address.jdbcUrl(), properties);
    } catch (SQLException e) {
      var words = DatabaseFault.words(e);
      // in no language but English
      if (words.matches("unsupported .*startup parameter.*")) {
        throw new PoolerException("PgBouncer", address, e);
      }
      throw words.contains("RDS Proxy") ? new PoolerException("RDS Proxy", address, e) : e;
    }
  }

  /// Refuses a session that is not the server's own.
  ///
  /// @param process the session's, by `pg_backend_pid()`
  /// @throws PoolerException if there is a pooler between
  public static void check(Connection session, int process, DatabaseAddress address)
      throws SQLException {
    if (session.unwrap(PGConnection.class).getBackendPID() == process) {
      return;
    }
    try (var statement = session.createStatement();
        var row = statement.executeQuery(SOURCE_OF_A_SETTING)) {
      if (!row.next() || !"client".equals(row.getString(1))) {
        throw new PoolerException("a pooler, such as PgBouncer,", address, null);
      }
    }
  }
}
