package org.pgoffload.platform.primary;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.ControlRecord.Fork;
import org.pgoffload.protocol.WalPosition;

/// The history of a server's WAL: which timelines it has left, and where. PostgreSQL tells it to
/// logins with REPLICATION, in its replication protocol.
public final class TimelineHistory {
  private TimelineHistory() {}

  /// Asks a server.
  ///
  /// @param address of one server; a login with REPLICATION
  /// @param timeline of the server
  /// @return the timelines before, the oldest first
  /// @throws SQLException if the server refuses, or has no such history
  public static List<Fork> read(DatabaseAddress address, int timeline, Duration silence)
      throws SQLException {
    if (timeline == 1) {
      return List.of();
    }
    try (var connection = address.connectForReplication("pgoffload history", silence)) {
      return parse(Query.row(connection, "TIMELINE_HISTORY " + timeline, row -> row.getString(2)));
    }
  }

  /// Reads the text of a history file: a line for each timeline, with its number, the position at
  /// which it was left, and a reason.
  static List<Fork> parse(String text) throws SQLException {
    try {
      return text.lines()
          .map(String::strip)
          .filter(line -> !line.isEmpty() && !line.startsWith("#"))
          .map(line -> line.split("\\s+", 3))
          .map(fields -> new Fork(Integer.parseInt(fields[0]), WalPosition.parse(fields[1])))
          .toList();
    } catch (RuntimeException e) {
      throw new SQLException("the history of the server's timelines cannot be read", e);
    }
  }
}
