package org.pgoffload.worker.llm.calls;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/// Exponential waits with full jitter: of all ways to spread them, the one that makes the fewest
/// calls and ends the soonest (aws.amazon.com, "Exponential Backoff And Jitter"). But never none at
/// all: a tenth is the least.
record Backoff(Duration first, Duration max) {
  private static final int LEAST_SHARE = 10;

  /// Before which nothing is tried again.
  Duration least() {
    return first.dividedBy(LEAST_SHARE);
  }

  /// The wait after the given number of failed tries, from one on.
  Duration after(int tries) {
    long longest = max.toNanos();
    if (tries < Long.SIZE - 1 - Long.numberOfTrailingZeros(Long.highestOneBit(first.toNanos()))) {
      longest = Math.min(longest, first.toNanos() << (tries - 1));
    }
    return Duration.ofNanos(
        ThreadLocalRandom.current().nextLong(longest / LEAST_SHARE, longest + 1));
  }
}
