package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import org.jspecify.annotations.Nullable;

/// One call to a provider that was made for a request, as it stands in [Result#calls()]. Fields
/// without a value are left out. Of a long row, calls that ended alike are one entry, which says
/// how many they were and has their sums.
///
/// @param provider who was asked
/// @param model the model, as the provider names it
/// @param startedAt ISO-8601, by the worker's clock
/// @param ranMs milliseconds until it ended
/// @param errorCode a stable code; null if it answered
/// @param errorMessage the provider's words, free of keys and prompts
/// @param httpStatus of the reply; null if none came
/// @param retryAfterMs how long the provider asked to wait before the next call
/// @param providerRequestId the provider's own id of the call
/// @param inputTokens all input tokens, cached ones included
/// @param cachedTokens those of them that were read from the provider's cache
/// @param outputTokens all output tokens, reasoning included
/// @param reasoningTokens those of them that were spent on reasoning
/// @param times how many calls the entry stands for; null for one
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Call(
    @JsonProperty("provider") String provider,
    @JsonProperty("model") String model,
    @JsonProperty("started_at") String startedAt,
    @JsonProperty("ran_ms") double ranMs,
    @JsonProperty("error_code") @Nullable String errorCode,
    @JsonProperty("error_message") @Nullable String errorMessage,
    @JsonProperty("http_status") @Nullable Integer httpStatus,
    @JsonProperty("retry_after_ms") @Nullable Long retryAfterMs,
    @JsonProperty("provider_request_id") @Nullable String providerRequestId,
    @JsonProperty("input_tokens") long inputTokens,
    @JsonProperty("cached_tokens") long cachedTokens,
    @JsonProperty("output_tokens") long outputTokens,
    @JsonProperty("reasoning_tokens") long reasoningTokens,
    @JsonProperty("times") @Nullable Integer times) {

  public Call {
    // PostgreSQL's jsonb has neither NUL nor half a character
    provider = Text.storable(provider);
    model = Text.storable(model);
    errorMessage = errorMessage == null ? null : Text.storable(errorMessage);
    providerRequestId = providerRequestId == null ? null : Text.storable(providerRequestId);
    if (times != null && times < 1) {
      throw new IllegalArgumentException("an entry stands for one call at least");
    }
  }

  /// One call.
  public Call(
      String provider,
      String model,
      String startedAt,
      double ranMs,
      @Nullable String errorCode,
      @Nullable String errorMessage,
      @Nullable Integer httpStatus,
      @Nullable Long retryAfterMs,
      @Nullable String providerRequestId,
      long inputTokens,
      long cachedTokens,
      long outputTokens,
      long reasoningTokens) {
    this(
        provider,
        model,
        startedAt,
        ranMs,
        errorCode,
        errorMessage,
        httpStatus,
        retryAfterMs,
        providerRequestId,
        inputTokens,
        cachedTokens,
        outputTokens,
        reasoningTokens,
        null);
  }

  /// How many calls it stands for.
  public int count() {
    return times == null ? 1 : times;
  }

  /// Both as one entry: when the first began, how the later one ended, and the sums. A sum that its
  /// type does not hold stays at the largest.
  public Call and(Call later) {
    return new Call(
        provider,
        model,
        startedAt,
        ranMs + later.ranMs,
        later.errorCode,
        later.errorMessage,
        later.httpStatus,
        later.retryAfterMs,
        later.providerRequestId,
        sum(inputTokens, later.inputTokens),
        sum(cachedTokens, later.cachedTokens),
        sum(outputTokens, later.outputTokens),
        sum(reasoningTokens, later.reasoningTokens),
        (int) Math.min(Integer.MAX_VALUE, (long) count() + later.count()));
  }

  private static long sum(long one, long other) {
    long sum = one + other;
    return sum < 0 ? Long.MAX_VALUE : sum;
  }
}
