package org.pgoffload.worker.models;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// Why a call has no answer.
///
/// @param code the stable reason, which decides whether another attempt can help
/// @param message for people: the vendor's own code and words, bounded, free of keys and prompts
/// @param httpStatus of the vendor's reply; null if none came
/// @param retryAfter how long the vendor asks to wait before the next attempt; null if it does not
/// @param providerRequestId the vendor's id of the call, for its support; null if it sent none
/// @param finishReason why the model stopped; null if it did not, or nothing is told of it
public record LlmError(
    LlmErrorCode code,
    String message,
    @Nullable Integer httpStatus,
    @Nullable Duration retryAfter,
    @Nullable String providerRequestId,
    @Nullable FinishReason finishReason) {

  /// Of a call in which no model stopped.
  public LlmError(
      LlmErrorCode code,
      String message,
      @Nullable Integer httpStatus,
      @Nullable Duration retryAfter,
      @Nullable String providerRequestId) {
    this(code, message, httpStatus, retryAfter, providerRequestId, null);
  }

  public LlmError {
    if (message.isBlank()) {
      throw new IllegalArgumentException("an error needs words");
    }
    if (retryAfter != null && retryAfter.isNegative()) {
      throw new IllegalArgumentException("the wait before the next attempt must not be negative");
    }
  }

  /// Whether the same call may succeed when it is made again, as the code says.
  public boolean retryable() {
    return code.retryable();
  }
}
