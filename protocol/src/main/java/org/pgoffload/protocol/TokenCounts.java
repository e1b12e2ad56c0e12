package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonProperty;

/// The tokens of calls. Its fields stand in the message itself.
///
/// @param input all input tokens, cached ones included
/// @param cached input tokens that were read from the provider's cache
/// @param output all output tokens, reasoning included
/// @param reasoning output tokens that were spent on reasoning
public record TokenCounts(
    @JsonProperty("input_tokens") long input,
    @JsonProperty("cached_tokens") long cached,
    @JsonProperty("output_tokens") long output,
    @JsonProperty("reasoning_tokens") long reasoning) {
  public static final TokenCounts NONE = new TokenCounts(0, 0, 0, 0);

  /// The sums. A sum that no 64 bits hold stays at the largest number.
  public TokenCounts plus(TokenCounts more) {
    return new TokenCounts(
        sum(input, more.input),
        sum(cached, more.cached),
        sum(output, more.output),
        sum(reasoning, more.reasoning));
  }

  static long sum(long one, long other) {
    long sum = one + other;
    return sum < 0 ? Long.MAX_VALUE : sum;
  }
}
