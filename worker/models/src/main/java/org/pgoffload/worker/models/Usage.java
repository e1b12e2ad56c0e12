package org.pgoffload.worker.models;

/// Tokens of one call, counted alike for every vendor.
///
/// OpenAI and Azure report totals and their cached and reasoning share. Anthropic reports input
/// that was neither read from nor written to its cache apart from both, so all three are summed
/// (platform.claude.com, "Prompt caching", tracking cache performance).
///
/// What vendors count is bounded where it is read (`Json.count`); a share that is told as more than
/// its whole is the whole.
///
/// @param inputTokens all input, cached included
/// @param cachedInputTokens the share of the input that was read from the vendor's cache
/// @param outputTokens all output, reasoning included
/// @param reasoningTokens the share of the output that was reasoning; 0 where a vendor does not
///   tell
public record Usage(
    long inputTokens, long cachedInputTokens, long outputTokens, long reasoningTokens) {

  /// Nothing was counted.
  public static final Usage NONE = new Usage(0, 0, 0, 0);

  public Usage {
    if (inputTokens < 0 || cachedInputTokens < 0 || outputTokens < 0 || reasoningTokens < 0) {
      throw new IllegalArgumentException("a count of tokens must not be negative");
    }
    // A share that is more than the whole would make the rest of it cost less than nothing.
    cachedInputTokens = Math.min(cachedInputTokens, inputTokens);
    reasoningTokens = Math.min(reasoningTokens, outputTokens);
  }
}
