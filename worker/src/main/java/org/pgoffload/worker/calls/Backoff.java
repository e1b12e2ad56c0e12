package org.pgoffload.worker.calls;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/// Exponential waits with full jitter: of all ways to spread them, the one that makes the fewest
/// calls and ends the soonest (aws.amazon.com, "Exponential Backoff And Jitter").
record Backoff(Duration first, Duration max) {

  /// The wait after the given number of failed tries, from one on.
  Duration after(int tries) {
    long longest = max.toNanos();
    if (tries < Long.SIZE - 1 - Long.numberOfTrailingZeros(Long.highestOneBit(first.toNanos()))) {
      longest = Math.min(longest, first.toNanos() << (tries - 1));
    }
    return Duration.ofNanos(ThreadLocalRandom.current().nextLong(longest + 1));
  }
}
