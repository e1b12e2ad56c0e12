package org.pgoffload.worker.llm;

import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.delivery.Attempt;

/// A claimed LLM request.
///
/// @param attempt the first is 1; a takeover is the next
/// @param claimedAt by the database's clock
/// @param leaseLapses the lapses of the lease that were counted before the claim
/// @param refusal why it ends without a call; null if it is executed
record LlmAttempt(int attempt, Instant claimedAt, long leaseLapses, @Nullable Refusal refusal)
    implements Attempt {
  /// Why the database refuses a call.
  ///
  /// @param detail for people
  record Refusal(Reason reason, String detail) {}

  enum Reason {
    CANCELLED,
    OVER_BUDGET,
    SUPERSEDED
  }
}
