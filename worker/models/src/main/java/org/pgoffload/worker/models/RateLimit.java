package org.pgoffload.worker.models;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// One limit as a vendor's reply tells it. It counts all calls with the same key.
///
/// @param unit what is limited
/// @param limit how many in the vendor's period, or null if it does not tell
/// @param remaining how many of them are left
/// @param resetAfter when all are there again, from the reply on
public record RateLimit(Unit unit, @Nullable Long limit, long remaining, Duration resetAfter) {

  public RateLimit {
    if (remaining < 0 || resetAfter.isNegative()) {
      throw new IllegalArgumentException("what is left of a limit must not be negative");
    }
  }

  /// What is limited.
  public enum Unit {
    REQUESTS,
    /// Input and output together, or the scarcer of the two.
    TOKENS
  }
}
