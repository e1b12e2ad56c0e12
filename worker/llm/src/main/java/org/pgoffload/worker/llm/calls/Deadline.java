package org.pgoffload.worker.llm.calls;

import java.time.Duration;

/// When an answer is no longer wanted, by the clock of `System.nanoTime`.
public record Deadline(long nanoTime) {

  /// So long from now on.
  public static Deadline in(Duration time) {
    return new Deadline(System.nanoTime() + time.toNanos());
  }

  /// What is left; zero when it has passed.
  public Duration left() {
    return Duration.ofNanos(Math.max(0, nanoTime - System.nanoTime()));
  }

  public boolean hasPassed() {
    return nanoTime - System.nanoTime() <= 0;
  }
}
