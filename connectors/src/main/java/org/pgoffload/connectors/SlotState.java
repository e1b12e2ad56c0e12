package org.pgoffload.connectors;

import java.sql.Connection;
import java.sql.SQLException;

/// The state of the replication slot, asked before every start of the capture. Debezium silently
/// makes a missing slot, and the requests between two slots would be lost.
public sealed interface SlotState {
  /// The slot is there and free.
  ///
  /// @param serverVersion PostgreSQL's, such as 180006
  record Ready(int serverVersion) implements SlotState {}

  /// Another process is reading from it.
  ///
  /// @param processId the server's process
  record InUse(int processId) implements SlotState {}

  /// The slot cannot be read from; only a person can help.
  ///
  /// @param code stable, such as `slot_missing`
  /// @param whatToDo in words
  record Broken(String code, String whatToDo) implements SlotState {}

  /// Asks the server.
  ///
  /// @param connection to the database
  /// @param database its name
  /// @param slot the slot's name
  static SlotState read(Connection connection, String database, String slot) throws SQLException {
    try (var statement =
        connection.prepareStatement(
            """
            select pgoffload.is_copy(), s.slot_name, s.database, s.active_pid, s.wal_status,
                   pg_catalog.current_setting('server_version_num')::int
            from (select) one
            left join pg_catalog.pg_replication_slots s on s.slot_name = ?
            """)) {
      statement.setString(1, slot);
      var row = statement.executeQuery();
      row.next();
      if (row.getBoolean(1)) {
        return new Broken(
            "copied_database",
            "this database is a copy of another installation; to run it as one of its own: pgoffload adopt");
      }
      if (row.getString(2) == null) {
        return new Broken(
            "slot_missing", "there is no replication slot " + slot + ": run pgoffload install");
      }
      if (!database.equals(row.getString(3))) {
        return new Broken(
            "slot_of_other_database",
            "replication slot " + slot + " belongs to database " + row.getString(3));
      }
      if ("lost".equals(row.getString(5))) {
        return new Broken(
            "slot_lost",
            "the server has removed WAL that replication slot "
                + slot
                + " needs: drop it and run pgoffload install");
      }
      int activePid = row.getInt(4);
      return activePid > 0 ? new InUse(activePid) : new Ready(row.getInt(6));
    }
  }
}
