package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.annotation.JsonPOJOBuilder;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The fields of a [Result] side by side, for reading. Jackson can read nested records from flat
/// JSON as well, but needs three times as long.
@JsonPOJOBuilder(withPrefix = "")
final class FlatResult extends FlatTerminalResult {
  @JsonProperty("answer")
  @Nullable String answer;

  @JsonProperty("error_code")
  @Nullable String errorCode;

  @JsonProperty("error_message")
  @Nullable String errorMessage;

  @JsonProperty("finish_reason")
  @Nullable String finishReason;

  @JsonProperty("provider")
  @Nullable String provider;

  @JsonProperty("model")
  @Nullable String model;

  @JsonProperty("provider_request_id")
  @Nullable String providerRequestId;

  @JsonProperty("input_tokens")
  @Nullable Long inputTokens;

  @JsonProperty("cached_tokens")
  @Nullable Long cachedTokens;

  @JsonProperty("output_tokens")
  @Nullable Long outputTokens;

  @JsonProperty("reasoning_tokens")
  @Nullable Long reasoningTokens;

  @JsonProperty("attempts")
  int attempts;

  @JsonProperty("embeddings")
  @Nullable List<float[]> embeddings;

  @JsonProperty("chunks")
  @Nullable List<String> chunks;

  @JsonProperty("cached_from")
  @Nullable Long cachedFrom;

  @JsonProperty("calls")
  @Nullable List<Call> calls;

  @JsonProperty("last_seq")
  @Nullable Long lastSeq;

  @JsonProperty("maintained")
  @Nullable MaintainedRow maintained;

  Result build() {
    return new Result(
        head(),
        new Result.Outcome(answer, errorCode, errorMessage, finishReason),
        new Result.Origin(provider, model, providerRequestId),
        new Result.Tokens(inputTokens, cachedTokens, outputTokens, reasoningTokens),
        new Result.Run(attempts, queuedMs, ranMs, worker, finishedAt),
        embeddings == null ? null : new Result.Vectors(embeddings, chunks),
        new Result.Provenance(cachedFrom, calls, lastSeq),
        maintained);
  }
}
