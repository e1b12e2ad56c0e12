package org.pgoffload.operations;

import java.sql.SQLException;
import java.util.Optional;
import org.pgoffload.operations.retention.RemoveOldRequests;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.Query;
import org.pgoffload.schema.InstallException;

/// Records that requests may have been lost between the database and Kafka: a new slot begins where
/// it was made, a new topic is empty. The producer then looks through the recorded requests and
/// sends the lost ones again; callers that wait for unrecorded requests get an error.
///
/// A break is planned before anything is made anew, and completed or forgotten afterwards. An
/// interrupted command leaves the plan, and the next command completes it.
public final class RecordCaptureBreak {
  private RecordCaptureBreak() {}

  /// Plans a break: something is about to be made that may have to be made anew.
  ///
  /// @param database the owner's login
  /// @param reason why, one word
  /// @throws InstallException if it cannot be planned
  public static void plan(ConnectAsPart database, String reason) {
    call(database, "select pgoffload.plan_capture_break(?)", reason);
  }

  /// Forgets a plan: nothing was made.
  ///
  /// @throws InstallException if it cannot be forgotten
  public static void forget(ConnectAsPart database, String reason) {
    call(database, "select pgoffload.forget_planned_break(?)", reason);
  }

  /// Completes whatever is planned.
  ///
  /// @return a line saying what changed, or empty if nothing was planned
  /// @throws InstallException if it cannot be recorded; the plan stays
  public static Optional<String> complete(ConnectAsPart database) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      if (RemoveOldRequests.number(
              connection, "select count(*) from pgoffload.capture_break where first_id is null")
          == 0) {
        return Optional.empty();
      }
      RemoveOldRequests.makePartitionsAhead(connection);
      RemoveOldRequests.number(connection, "select pgoffload.record_capture_break()");
      RemoveOldRequests.makePartitionsAhead(connection);
      return Optional.of(
          "recorded a break of the capture: the producer sends again what was committed and not"
              + " answered");
    } catch (SQLException e) {
      throw new InstallException(
          "a break of the capture could not be recorded; run pgoffload install again: "
              + e.getMessage(),
          e);
    }
  }

  private static void call(ConnectAsPart database, String function, String reason) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      Query.execute(connection, function, reason);
    } catch (SQLException e) {
      throw new InstallException("a break of the capture cannot be planned: " + e.getMessage(), e);
    }
  }
}
