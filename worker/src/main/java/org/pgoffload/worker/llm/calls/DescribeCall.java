package org.pgoffload.worker.llm.calls;

import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Call;
import org.pgoffload.worker.vendors.LlmOutcome;
import org.pgoffload.worker.vendors.ModelTarget;
import org.pgoffload.worker.vendors.Origin;
import org.pgoffload.worker.vendors.Usage;

/// Writes down what became of one call.
final class DescribeCall {
  private DescribeCall() {}

  static Call of(ModelTarget target, Instant startedAt, double ranMs, LlmOutcome outcome) {
    return switch (outcome) {
      case LlmOutcome.Answered(var _, var _, var origin, var usage, var _) ->
          answered(origin, startedAt, ranMs, usage);
      case LlmOutcome.Embedded(var _, var origin, var usage, var _) ->
          answered(origin, startedAt, ranMs, usage);
      case LlmOutcome.Failed(var error, var model, var usage, var _) ->
          call(
              target.provider().name(),
              model,
              startedAt,
              ranMs,
              error.code().code(),
              error.message(),
              error.httpStatus(),
              error.retryAfter() == null ? null : error.retryAfter().toMillis(),
              error.providerRequestId(),
              usage);
    };
  }

  private static Call answered(Origin origin, Instant startedAt, double ranMs, Usage usage) {
    return call(
        origin.provider(),
        origin.model(),
        startedAt,
        ranMs,
        null,
        null,
        null,
        null,
        origin.providerRequestId(),
        usage);
  }

  private static Call call(
      String provider,
      String model,
      Instant startedAt,
      double ranMs,
      @Nullable String errorCode,
      @Nullable String errorMessage,
      @Nullable Integer httpStatus,
      @Nullable Long retryAfterMs,
      @Nullable String providerRequestId,
      Usage usage) {
    return new Call(
        provider,
        model,
        startedAt.toString(),
        ranMs,
        errorCode,
        errorMessage,
        httpStatus,
        retryAfterMs,
        providerRequestId,
        usage.inputTokens(),
        usage.cachedInputTokens(),
        usage.outputTokens(),
        usage.reasoningTokens());
  }
}
