package org.pgoffload.platform.primary;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.WalPosition;

/// Which server a session is with.
///
/// @param systemIdentifier of the cluster
/// @param timeline of the server's WAL
/// @param token of the present timeline, by the database; null if it has none
/// @param flushed where the durable WAL ends, maybe within a record
/// @param confirmed by the slot, which no crash undoes; the beginning where there is no slot
/// @param installation the installation's id
/// @param copied whether the database is a copy that was not adopted
/// @param started when the server was started, in seconds since 1970
public record ServerIdentity(
    long systemIdentifier,
    int timeline,
    @Nullable UUID token,
    WalPosition flushed,
    WalPosition confirmed,
    String installation,
    boolean copied,
    String started) {
  /// Asks the server.
  ///
  /// @throws SQLException also if it is a standby
  public static ServerIdentity read(Connection connection) throws SQLException {
    try {
      return Query.row(
          connection,
          "select system_identifier, timeline, token, flushed::text, confirmed::text, installation, copied,"
              + " started"
              + " from pgoffload.server_identity()",
          row ->
              new ServerIdentity(
                  row.getLong(1),
                  row.getInt(2),
                  row.getObject(3, UUID.class),
                  WalPosition.parse(row.getString(4)),
                  WalPosition.parse(row.getString(5)),
                  row.getString(6),
                  row.getBoolean(7),
                  row.getString(8)));
    } catch (SQLException e) {
      if (DatabaseFault.is(e, DatabaseFault.UNDEFINED_FUNCTION)) {
        throw new SQLException(
            "the schema of the database is older than this part: run pgoffload install",
            e.getSQLState(),
            e);
      }
      throw e;
    }
  }
}
