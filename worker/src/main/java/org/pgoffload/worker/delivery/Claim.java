package org.pgoffload.worker.delivery;

import java.time.Instant;

/// What the database says of a request that this worker asked to claim.
public sealed interface Claim {
  /// This worker runs it.
  ///
  /// @param attempt the first is 1; a takeover is the next
  /// @param claimedAt by the database's clock
  record Claimed(int attempt, Instant claimedAt) implements Claim {
    /// Whether another had begun it before.
    public boolean isTakeover() {
      return attempt > 1;
    }
  }

  /// It is this worker's, to be ended without a call.
  ///
  /// @param reason why
  /// @param detail for people
  record Refused(Claimed claimed, Reason reason, String detail) implements Claim {
    public enum Reason {
      CANCELLED,
      OVER_BUDGET
    }
  }

  /// It has its result.
  record Answered() implements Claim {}

  /// This worker has claimed it before, under the same lease.
  ///
  /// @param claimed as if it were claimed now
  record Own(Claimed claimed) implements Claim {}

  /// Another live worker has it: to be watched until it is answered or its holder is dead.
  record Held() implements Claim {}
}
