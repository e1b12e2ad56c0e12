package org.pgoffload.worker.llm;

import java.time.Duration;
import org.pgoffload.worker.llm.calls.CallSettings;

/// How requests to models are executed.
///
/// @param maxDeferred how many requests may be seen to at once, most of them waiting for a model or
///   for a limit
/// @param deferAfter when a request that has not ended no longer holds up the offsets of its topic
/// @param calls how calls to models are made
public record LlmSettings(int maxDeferred, Duration deferAfter, CallSettings calls) {
  public static final int DEFAULT_MAX_DEFERRED = 50_000;
  public static final Duration DEFAULT_DEFER_AFTER = Duration.ofSeconds(5);

  public LlmSettings {
    if (!deferAfter.isPositive()) {
      throw new IllegalArgumentException("the time before a request is deferred must be positive");
    }
  }
}
