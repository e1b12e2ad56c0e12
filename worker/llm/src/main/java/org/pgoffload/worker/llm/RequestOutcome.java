package org.pgoffload.worker.llm;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Result;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Origin;

/// How a request ended, before it becomes a [Result].
///
/// @param provider who was asked last; null if nobody was
/// @param cachedFrom whose answer it is, if no call was made for it
/// @param lastSeq of a streamed answer
record RequestOutcome(
    String status,
    @Nullable String answer,
    @Nullable List<float[]> embeddings,
    @Nullable String errorCode,
    @Nullable String errorMessage,
    @Nullable String finishReason,
    @Nullable String provider,
    @Nullable String model,
    @Nullable String providerRequestId,
    @Nullable Long cachedFrom,
    @Nullable Long lastSeq) {
  static final String DEADLINE_PASSED = "deadline_passed";
  static final String SCHEMA_MISMATCH = "schema_mismatch";
  static final String BUDGET_EXCEEDED = "budget_exceeded";
  static final String PROVIDER_NOT_CONFIGURED = "provider_not_configured";
  private static final String CANCELLED = "cancelled";

  static RequestOutcome of(LlmOutcome outcome, String provider) {
    return switch (outcome) {
      case LlmOutcome.Answered(var text, var reason, var origin, var _, var _) ->
          succeeded(text, null, reason.word(), origin);
      case LlmOutcome.Embedded(var vectors, var origin, var _, var _) ->
          succeeded(null, vectors, null, origin);
      case LlmOutcome.Failed(var error, var model, var _, var _) -> failed(error, provider, model);
    };
  }

  private static RequestOutcome succeeded(
      @Nullable String answer,
      @Nullable List<float[]> embeddings,
      @Nullable String finishReason,
      Origin origin) {
    return new RequestOutcome(
        Result.SUCCEEDED,
        answer,
        embeddings,
        null,
        null,
        finishReason,
        origin.provider(),
        origin.model(),
        origin.providerRequestId(),
        null,
        null);
  }

  private static RequestOutcome failed(LlmError error, String provider, String model) {
    return new RequestOutcome(
        Result.FAILED,
        null,
        null,
        error.code().code(),
        error.message(),
        error.finishReason() == null ? null : error.finishReason().word(),
        provider,
        model,
        error.providerRequestId(),
        null,
        null);
  }

  static RequestOutcome failed(LlmErrorCode code, String message) {
    return failed(code.code(), message);
  }

  static RequestOutcome failed(String code, String message) {
    return without(Result.FAILED, code, message);
  }

  /// @param last what the last call came to, if one was made
  static RequestOutcome expired(Duration timeout, @Nullable LlmOutcome last) {
    var words =
        "not answered within "
            + timeout.toMillis()
            + " ms of the request; ask again with a longer timeout";
    return without(
        Result.EXPIRED,
        DEADLINE_PASSED,
        last instanceof LlmOutcome.Failed failed
            ? words
                + " (the last call: "
                + failed.error().code().code()
                + ": "
                + failed.error().message()
                + ")"
            : words);
  }

  /// @param by the role that cancelled it; empty if nobody noted it
  static RequestOutcome cancelled(String by) {
    return without(
        Result.CANCELLED,
        CANCELLED,
        by.isBlank() ? "cancelled by llm_cancel" : "cancelled by role " + by);
  }

  private static RequestOutcome without(String status, String code, String message) {
    return new RequestOutcome(
        status, null, null, code, message, null, null, null, null, null, null);
  }

  /// The same, by whom it came about.
  RequestOutcome by(Origin origin) {
    return new RequestOutcome(
        status,
        answer,
        embeddings,
        errorCode,
        errorMessage,
        finishReason,
        origin.provider(),
        origin.model(),
        origin.providerRequestId(),
        cachedFrom,
        lastSeq);
  }

  /// The same, streamed up to that piece.
  RequestOutcome streamedTo(long seq) {
    return new RequestOutcome(
        status,
        answer,
        embeddings,
        errorCode,
        errorMessage,
        finishReason,
        provider,
        model,
        providerRequestId,
        cachedFrom,
        seq);
  }

  /// Names the status, never the answer.
  @Override
  public String toString() {
    return "RequestOutcome[" + status + (errorCode == null ? "" : ", " + errorCode) + "]";
  }
}
