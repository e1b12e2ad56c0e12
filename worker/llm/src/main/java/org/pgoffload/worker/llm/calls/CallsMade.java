package org.pgoffload.worker.llm.calls;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.TokenCounts;
import org.pgoffload.worker.models.LlmOutcome;

/// What became of all calls for one request.
///
/// @param outcome of the last call; null if none could be made in time
/// @param provider the name of the one that was asked last
/// @param expired whether the time ran out before there was an answer or a reason to give up
/// @param calls every call, in order
public record CallsMade(
    @Nullable LlmOutcome outcome, String provider, boolean expired, List<Call> calls) {

  public CallsMade {
    calls = List.copyOf(calls);
  }

  /// The tokens of all calls.
  public static TokenCounts tokens(List<Call> calls) {
    return calls.stream().map(Call::tokens).reduce(TokenCounts.NONE, TokenCounts::plus);
  }
}
