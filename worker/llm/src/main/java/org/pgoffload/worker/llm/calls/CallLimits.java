package org.pgoffload.worker.llm.calls;

import org.jspecify.annotations.Nullable;

/// What is configured of the limits of one model, for all workers together. What is null is found
/// out by the vendor's headers and refusals alone.
///
/// @param concurrency calls at a time, of each worker
/// @param requestsPerMinute calls begun, of all workers
/// @param tokensPerMinute input and output, of all workers
public record CallLimits(
    @Nullable Integer concurrency,
    @Nullable Integer requestsPerMinute,
    @Nullable Integer tokensPerMinute) {

  /// Nothing is configured.
  public static final CallLimits NONE = new CallLimits(null, null, null);

  public CallLimits {
    if ((concurrency != null && concurrency < 1)
        || (requestsPerMinute != null && requestsPerMinute < 1)
        || (tokensPerMinute != null && tokensPerMinute < 1)) {
      throw new IllegalArgumentException("a limit must be positive");
    }
  }
}
