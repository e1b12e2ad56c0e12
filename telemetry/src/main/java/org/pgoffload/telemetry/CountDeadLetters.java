package org.pgoffload.telemetry;

import io.micrometer.core.instrument.MeterRegistry;
import org.pgoffload.protocol.DeadLetterReason;

/// Counts what a part sends to the dead letters, by reason.
///
/// Safe to share between threads.
public final class CountDeadLetters {
  /// The counter's name.
  public static final String NAME = "pgoffload.dead.letters";

  private final MeterRegistry metrics;

  public CountDeadLetters(MeterRegistry metrics) {
    this.metrics = metrics;
    // a series is there before it counts anything, so that its first count is seen as one
    for (var reason : DeadLetterReason.values()) {
      metrics.counter(NAME, "reason", reason.code()).increment(0);
    }
  }

  /// One more.
  ///
  /// @param reason a [DeadLetterReason]'s code
  public void count(String reason) {
    metrics.counter(NAME, "reason", reason).increment();
  }
}
