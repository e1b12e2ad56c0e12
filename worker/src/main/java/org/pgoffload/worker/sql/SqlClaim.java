package org.pgoffload.worker.sql;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.SqlError;

/// What the database says of a request for SQL that this worker asked to claim.
public sealed interface SqlClaim {
  /// This worker runs it, or ends it.
  ///
  /// @param attempt the first is 1; a takeover is the next
  /// @param claimedAt by the database's clock
  /// @param token proves the claim to the database on the task's session
  /// @param ending how to end it without running it, or null to run it
  /// @param sessions of earlier attempts, to be ended first
  record Claimed(
      int attempt,
      Instant claimedAt,
      UUID token,
      @Nullable Ending ending,
      List<EarlierSession> sessions)
      implements SqlClaim {
    public Claimed {
      sessions = List.copyOf(sessions);
    }

    /// The same, to be ended so and not to be run.
    public Claimed endedWith(Ending other) {
      return new Claimed(attempt, claimedAt, token, other, sessions);
    }

    /// The same request, as a later attempt of the same worker.
    ///
    /// @param lost the session of this attempt
    Claimed again(Again again, EarlierSession lost) {
      var earlier = new ArrayList<>(sessions);
      earlier.add(lost);
      return new Claimed(again.attempt, again.claimedAt, again.token, null, earlier);
    }
  }

  /// It has its result, which is to be published again.
  record Answered() implements SqlClaim {}

  /// Another live worker has it: to be watched until it is answered or its holder is dead.
  record Held() implements SqlClaim {}

  /// Nothing is recorded of it any more.
  record Missing() implements SqlClaim {}

  /// How a request ends that is not to be run.
  ///
  /// @param status `failed`, `cancelled` or `expired`
  record Ending(String status, SqlError error) {}

  /// A database session that executed an earlier attempt.
  ///
  /// @param pid of its backend
  /// @param started when that backend began, as PostgreSQL's text
  record EarlierSession(int pid, String started) {}

  /// A new attempt of a worker that has lost the session of its last one.
  record Again(int attempt, Instant claimedAt, UUID token) {}
}
