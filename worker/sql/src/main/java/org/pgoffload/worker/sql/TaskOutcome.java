package org.pgoffload.worker.sql;

import org.pgoffload.protocol.SqlResult;
import org.pgoffload.worker.sql.sessions.SqlClaim;

/// How one attempt at a task ended.
sealed interface TaskOutcome {
  /// There is nothing more to run.
  sealed interface Final extends TaskOutcome {}

  /// The result is recorded, and is to be published.
  record Recorded(SqlResult result) implements Final {}

  /// Another attempt or another result was first.
  record Superseded() implements Final {}

  /// The database takes no result of it.
  record Unrecordable() implements Final {}

  /// The session was lost before the task had begun.
  record NotBegun() implements TaskOutcome {}

  /// The session was lost, and it was not the task's doing. What it had begun is rolled back,
  /// unless its commit was under way.
  ///
  /// @param session to be ended before the next attempt
  record Lost(SqlClaim.EarlierSession session) implements TaskOutcome {}

  /// The session was lost while a command ran that cannot be rolled back.
  ///
  /// @param session to be ended before that is reported
  record Unknown(SqlClaim.EarlierSession session) implements TaskOutcome {}
}
