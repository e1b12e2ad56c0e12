package org.pgoffload.schema;

import java.sql.SQLException;
import java.util.Optional;

/// Records that requests may have been lost between the database and Kafka: a new slot begins where
/// it was made, a new topic is empty. The producer then looks through what is recorded and sends
/// again what was lost; callers who wait for what was not recorded are told.
public final class RecordCaptureBreak {
  private RecordCaptureBreak() {}

  /// Records a break now.
  ///
  /// @param database the owner's login
  /// @param reason why, one word
  /// @return a line saying what changed, or empty if nobody has asked for anything yet
  /// @throws InstallException if it cannot be recorded
  public static Optional<String> run(DatabaseAddress database, String reason) {
    try (var connection = database.connect("pgoffload install")) {
      RemoveOldRequests.makePartitionsAhead(connection);
      int recorded;
      try (var statement =
          connection.prepareStatement("select pgoffload.record_capture_break(?)")) {
        statement.setString(1, reason);
        var row = statement.executeQuery();
        row.next();
        recorded = row.getInt(1);
      }
      if (recorded == 0) {
        return Optional.empty();
      }
      RemoveOldRequests.makePartitionsAhead(connection);
      return Optional.of(
          "recorded a break of the capture ("
              + reason
              + "): the producer sends again what was committed and not answered");
    } catch (SQLException e) {
      throw new InstallException(
          "a break of the capture could not be recorded; run pgoffload install again and then: select"
              + " pgoffload.record_capture_break('"
              + reason
              + "'): "
              + e.getMessage(),
          e);
    }
  }
}
