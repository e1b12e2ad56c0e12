package org.pgoffload.worker.sql.sessions;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.SqlError;
import org.pgoffload.worker.delivery.Attempt;

/// A claimed request for SQL: this worker runs it, or ends it.
///
/// @param attempt the first is 1; a takeover is the next
/// @param claimedAt by the database's clock
/// @param token proves the claim to the database on the task's session
/// @param ending how to end it without running it, or null to run it
/// @param sessions of earlier attempts, to be ended first
public record SqlClaim(
    int attempt,
    Instant claimedAt,
    UUID token,
    @Nullable Ending ending,
    List<EarlierSession> sessions)
    implements Attempt {
  public SqlClaim {
    sessions = List.copyOf(sessions);
  }

  /// An attempt that the database has no claim of.
  public static SqlClaim none(Instant at) {
    return new SqlClaim(1, at, new UUID(0, 0), null, List.of());
  }

  /// The same, to be ended so and not to be run.
  public SqlClaim endedWith(Ending other) {
    return new SqlClaim(attempt, claimedAt, token, other, sessions);
  }

  /// The same request, as a later attempt of the same worker.
  ///
  /// @param lost the session of this attempt
  public SqlClaim again(Again again, EarlierSession lost) {
    var earlier = new ArrayList<>(sessions);
    earlier.add(lost);
    return new SqlClaim(again.attempt, again.claimedAt, again.token, null, earlier);
  }

  /// How a request ends that is not to be run.
  ///
  /// @param status `failed`, `cancelled` or `expired`
  public record Ending(String status, SqlError error) {}

  /// A database session that executed an earlier attempt.
  ///
  /// @param pid of its backend
  /// @param started when that backend began, as PostgreSQL's text
  public record EarlierSession(int pid, String started) {}

  /// A new attempt of a worker that has lost the session of its last one.
  public record Again(int attempt, Instant claimedAt, UUID token) {}
}
