package org.pgoffload.worker.llm.calls;

import java.time.Instant;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.TokenCounts;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.ModelTarget;
import org.pgoffload.worker.models.Origin;
import org.pgoffload.worker.models.Usage;

/// Writes down what became of one call.
final class DescribeCall {
  private DescribeCall() {}

  static Call of(ModelTarget target, Instant startedAt, double ranMs, LlmOutcome outcome) {
    return switch (outcome) {
      case LlmOutcome.Answered(var _, var _, var origin, var usage, var _) ->
          answered(origin, startedAt, ranMs, usage);
      case LlmOutcome.Embedded(var _, var origin, var usage, var _) ->
          answered(origin, startedAt, ranMs, usage);
      case LlmOutcome.Reranked(var _, var origin, var usage, var _) ->
          answered(origin, startedAt, ranMs, usage);
      case LlmOutcome.Failed(var error, var model, var usage, var _) ->
          new Call(
              target.provider().name(),
              model,
              startedAt.toString(),
              ranMs,
              new Call.Reply(
                  error.code().code(),
                  error.message(),
                  error.httpStatus(),
                  error.retryAfter() == null ? null : error.retryAfter().toMillis(),
                  error.providerRequestId()),
              tokens(usage));
    };
  }

  private static Call answered(Origin origin, Instant startedAt, double ranMs, Usage usage) {
    return new Call(
        origin.provider(),
        origin.model(),
        startedAt.toString(),
        ranMs,
        Call.Reply.answered(origin.providerRequestId()),
        tokens(usage));
  }

  private static TokenCounts tokens(Usage usage) {
    return new TokenCounts(
        usage.inputTokens(),
        usage.cachedInputTokens(),
        usage.outputTokens(),
        usage.reasoningTokens());
  }
}
