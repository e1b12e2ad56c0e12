package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.annotation.JsonPOJOBuilder;

/// The fields of an [LlmUsage] side by side, for reading, as in [FlatResult].
@JsonPOJOBuilder(withPrefix = "")
@SuppressWarnings("NullAway.Init") // Jackson sets the fields; the message checks them
final class FlatUsage {
  @JsonProperty("version")
  int version;

  @JsonProperty("minute")
  String minute;

  @JsonProperty("requested_by_oid")
  long requestedByOid;

  @JsonProperty("requested_by")
  String requestedBy;

  @JsonProperty("provider")
  String provider;

  @JsonProperty("model")
  String model;

  @JsonProperty("requests")
  long requests;

  @JsonProperty("failed")
  long failed;

  @JsonProperty("cached")
  long cached;

  @JsonProperty("calls")
  long calls;

  @JsonProperty("failed_calls")
  long failedCalls;

  @JsonProperty("input_tokens")
  long inputTokens;

  @JsonProperty("cached_tokens")
  long cachedTokens;

  @JsonProperty("output_tokens")
  long outputTokens;

  @JsonProperty("reasoning_tokens")
  long reasoningTokens;

  LlmUsage build() {
    return new LlmUsage(
        version,
        new LlmUsage.Scope(minute, requestedByOid, requestedBy, provider, model),
        new LlmUsage.Counts(requests, failed, cached, calls, failedCalls),
        new TokenCounts(inputTokens, cachedTokens, outputTokens, reasoningTokens));
  }
}
