package org.pgoffload.platform;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/// Logs in to a server, and refuses a pooler. Parts keep locks and settings in their sessions,
/// listen, and read a replication slot: each session has to be one of the server's, in every mode
/// of a pooler.
///
/// The settings that come with a login tell: a pooler refuses or drops them, because its sessions
/// are there before its clients. The process number of the login tells nothing: a pooler may pass
/// it on, and a proxy that passes on everything else may make one up.
public final class DirectLogin {
  /// An expression for where the session has a setting from that every login of a part or a task
  /// sends.
  public static final String SOURCE_OF_A_SETTING =
      "(select s.source from pg_catalog.pg_settings s"
          + " where s.name operator(pg_catalog.=) 'default_transaction_deferrable')";

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
  /// @param source what [#SOURCE_OF_A_SETTING] is in it
  /// @throws PoolerException if there is a pooler between
  public static void check(@Nullable String source, DatabaseAddress address)
      throws PoolerException {
    if (!"client".equals(source)) {
      throw new PoolerException("a pooler, such as PgBouncer,", address, null);
    }
  }
}
