package org.pgoffload.producer;

import java.sql.DriverManager;
import java.sql.SQLException;
import org.pgoffload.schema.DatabaseAddress;

/// What the server says of the replication slot, asked before every start of the engine.
sealed interface SlotState {
  /// It is there and free.
  record Ready(int serverVersion) implements SlotState {}

  /// Another process is reading from it.
  record InUse(int processId) implements SlotState {}

  /// It cannot be read from; only a person can help.
  record Broken(String code, String whatToDo) implements SlotState {}

  static SlotState read(DatabaseAddress database, String slot) throws SQLException {
    var properties = database.properties("pgoffload producer guard");
    // a server that has vanished must not hold the supervisor for ever
    properties.setProperty("socketTimeout", "10");
    try (var connection = DriverManager.getConnection(database.jdbcUrl(), properties);
        var statement =
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
      if (!database.database().equals(row.getString(3))) {
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
