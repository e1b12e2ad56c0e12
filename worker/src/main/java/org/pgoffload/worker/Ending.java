package org.pgoffload.worker;

import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Result;
import org.pgoffload.worker.llm.LlmOutcome;
import org.pgoffload.worker.llm.Usage;

/// How a request ended, before it becomes a [Result].
record Ending(
    String status,
    @Nullable String answer,
    @Nullable String errorCode,
    @Nullable String errorMessage,
    @Nullable String finishReason,
    @Nullable String model,
    @Nullable String providerRequestId,
    Usage usage) {
  private static final String DEADLINE_PASSED = "deadline_passed";

  static Ending succeeded(LlmOutcome.Answered answered) {
    return new Ending(
        Result.SUCCEEDED,
        answered.text(),
        null,
        null,
        answered.finishReason().word(),
        answered.origin().model(),
        answered.origin().providerRequestId(),
        answered.usage());
  }

  static Ending failed(LlmOutcome.Failed failed) {
    return new Ending(
        Result.FAILED,
        null,
        failed.error().code().code(),
        failed.error().message(),
        null,
        failed.model(),
        failed.error().providerRequestId(),
        failed.usage());
  }

  static Ending failed(String code, String message) {
    return new Ending(Result.FAILED, null, code, message, null, null, null, Usage.NONE);
  }

  static Ending expired(Duration timeout) {
    return new Ending(
        Result.EXPIRED,
        null,
        DEADLINE_PASSED,
        "not answered within "
            + timeout.toMillis()
            + " ms of the request; ask again with a longer timeout",
        null,
        null,
        null,
        Usage.NONE);
  }

  /// Names the status, never the answer.
  @Override
  public String toString() {
    return "Ending[" + status + (errorCode == null ? "" : ", " + errorCode) + "]";
  }
}
