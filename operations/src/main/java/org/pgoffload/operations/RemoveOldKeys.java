package org.pgoffload.operations;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.pgoffload.operations.retention.RemoveOldRequests;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.Query;

/// Seals signing keys that sign no more, and removes those that are no longer needed. Works with
/// the owner's login.
public final class RemoveOldKeys {
  /// The break of the capture whose sweep signs again what was committed after a key was revoked,
  /// by transactions that had begun before.
  private static final String SEALED = "key_sealed";

  private RemoveOldKeys() {}

  /// Does once what is due.
  ///
  /// @return one line for each thing that changed
  /// @throws SQLException if the database could not be asked
  public static List<String> run(ConnectAsPart database) throws SQLException {
    var changes = new ArrayList<String>();
    try (var connection = database.connectAsPart("pgoffload rotate-key")) {
      connection.setAutoCommit(false);
      if (RemoveOldRequests.number(connection, "select pgoffload.seal_keys()") > 0) {
        // with the sealing or not at all: it is said once
        Query.execute(connection, "select pgoffload.plan_capture_break(?)", SEALED);
      }
      connection.commit();
      connection.setAutoCommit(true);
      // also by a round that was interrupted before it could complete what it had planned
      if (Query.exists(
          connection,
          "select from pgoffload.capture_break where first_id is null and reason = ?",
          SEALED)) {
        RecordCaptureBreak.complete(database).ifPresent(changes::add);
      }
      changes.addAll(
          Query.rows(
              connection,
              "select * from pgoffload.remove_old_keys()",
              row -> "removed signing key " + row.getInt(1)));
    }
    return changes;
  }
}
