package org.pgoffload.connectors;

import io.debezium.connector.postgresql.connection.Lsn;
import java.sql.Connection;
import java.sql.SQLException;

/// The positions at which a capture from a slot may begin.
///
/// @param confirmed what lies before it has been delivered
/// @param written the end of the WAL
record SlotPositions(Lsn confirmed, Lsn written) {
  static SlotPositions read(Connection connection, String slot) throws SQLException {
    try (var statement =
        connection.prepareStatement(
            """
            select s.confirmed_flush_lsn::text, pg_catalog.pg_current_wal_insert_lsn()::text
            from pg_catalog.pg_replication_slots s where s.slot_name = ?
            """)) {
      statement.setString(1, slot);
      var row = statement.executeQuery();
      row.next();
      return new SlotPositions(Lsn.valueOf(row.getString(1)), Lsn.valueOf(row.getString(2)));
    }
  }

  boolean include(Lsn position) {
    return confirmed.compareTo(position) <= 0 && position.compareTo(written) <= 0;
  }
}
