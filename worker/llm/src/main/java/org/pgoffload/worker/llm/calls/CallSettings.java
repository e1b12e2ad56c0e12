package org.pgoffload.worker.llm.calls;

import java.time.Duration;
import java.util.Map;

/// How a worker makes its calls.
///
/// @param maxTries how often one model is asked for one request, refusals for a rate limit not
///   counted: those only delay
/// @param firstBackoff the longest wait before the second try; it doubles from try to try. The wait
///   is drawn evenly between nothing and that
/// @param maxBackoff which it never exceeds
/// @param callTimeout the longest that one call may take, however much time the request has
/// @param embedLinger how long texts to be embedded wait for others to share their call
/// @param limits what is configured for every model
/// @param limitsOf what is configured for one model instead, by `provider:model`
public record CallSettings(
    int maxTries,
    Duration firstBackoff,
    Duration maxBackoff,
    Duration callTimeout,
    Duration embedLinger,
    CallLimits limits,
    Map<String, CallLimits> limitsOf) {
  public static final CallSettings DEFAULTS =
      new CallSettings(
          5,
          Duration.ofMillis(500),
          Duration.ofSeconds(30),
          Duration.ofMinutes(15),
          Duration.ofMillis(3),
          CallLimits.NONE,
          Map.of());

  public CallSettings {
    limitsOf = Map.copyOf(limitsOf);
    if (maxTries < 1) {
      throw new IllegalArgumentException("a call is tried at least once");
    }
    if (!firstBackoff.isPositive() || maxBackoff.compareTo(firstBackoff) < 0) {
      throw new IllegalArgumentException("the waits between tries must be positive and grow");
    }
    if (!callTimeout.isPositive() || embedLinger.isNegative()) {
      throw new IllegalArgumentException("the times of a call must be positive");
    }
  }

  CallLimits limitsFor(String target) {
    return limitsOf.getOrDefault(target, limits);
  }
}
