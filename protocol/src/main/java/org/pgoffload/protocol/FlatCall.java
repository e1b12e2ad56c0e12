package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.annotation.JsonPOJOBuilder;
import org.jspecify.annotations.Nullable;

/// The fields of a [Call] side by side, for reading, as in [FlatResult].
@JsonPOJOBuilder(withPrefix = "")
@SuppressWarnings("NullAway.Init") // Jackson sets the fields; the message checks them
final class FlatCall {
  @JsonProperty("provider")
  String provider;

  @JsonProperty("model")
  String model;

  @JsonProperty("started_at")
  String startedAt;

  @JsonProperty("ran_ms")
  double ranMs;

  @JsonProperty("error_code")
  @Nullable String errorCode;

  @JsonProperty("error_message")
  @Nullable String errorMessage;

  @JsonProperty("http_status")
  @Nullable Integer httpStatus;

  @JsonProperty("retry_after_ms")
  @Nullable Long retryAfterMs;

  @JsonProperty("provider_request_id")
  @Nullable String providerRequestId;

  @JsonProperty("input_tokens")
  long inputTokens;

  @JsonProperty("cached_tokens")
  long cachedTokens;

  @JsonProperty("output_tokens")
  long outputTokens;

  @JsonProperty("reasoning_tokens")
  long reasoningTokens;

  @JsonProperty("times")
  @Nullable Integer times;

  Call build() {
    return new Call(
        provider,
        model,
        startedAt,
        ranMs,
        new Call.Reply(errorCode, errorMessage, httpStatus, retryAfterMs, providerRequestId),
        new TokenCounts(inputTokens, cachedTokens, outputTokens, reasoningTokens),
        times);
  }
}
