package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import com.fasterxml.jackson.databind.annotation.JsonDeserialize;
import org.jspecify.annotations.Nullable;

/// One call to a provider that was made for a request, as it stands in [Result#calls()]. The JSON
/// is flat; fields without a value are left out. Of a long row, calls that ended alike are one
/// entry with their number and their sums.
///
/// @param provider the called provider
/// @param model the model, as the provider names it
/// @param startedAt ISO-8601, by the worker's own clock
/// @param ranMs milliseconds until the call ended
/// @param reply how the call ended
/// @param tokens the tokens that the provider counted
/// @param times how many calls the entry stands for; null for one
@JsonInclude(JsonInclude.Include.NON_NULL)
@JsonDeserialize(builder = FlatCall.class)
public record Call(
    @JsonProperty("provider") String provider,
    @JsonProperty("model") String model,
    @JsonProperty("started_at") String startedAt,
    @JsonProperty("ran_ms") double ranMs,
    @JsonUnwrapped Reply reply,
    @JsonUnwrapped TokenCounts tokens,
    @JsonProperty("times") @Nullable Integer times) {

  /// How a call ended.
  ///
  /// @param errorCode a stable code; null if the provider answered
  /// @param errorMessage the provider's words, free of keys and prompts
  /// @param httpStatus of the reply; null if none came
  /// @param retryAfterMs how long the provider asked to wait before the next call
  /// @param providerRequestId the provider's own id of the call
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Reply(
      @JsonProperty("error_code") @Nullable String errorCode,
      @JsonProperty("error_message") @Nullable String errorMessage,
      @JsonProperty("http_status") @Nullable Integer httpStatus,
      @JsonProperty("retry_after_ms") @Nullable Long retryAfterMs,
      @JsonProperty("provider_request_id") @Nullable String providerRequestId) {
    public Reply {
      errorMessage = errorMessage == null ? null : Text.storable(errorMessage);
      providerRequestId = providerRequestId == null ? null : Text.storable(providerRequestId);
    }

    /// An answer.
    public static Reply answered(@Nullable String providerRequestId) {
      return new Reply(null, null, null, null, providerRequestId);
    }
  }

  public Call {
    // PostgreSQL's jsonb has neither NUL nor half a character
    provider = Text.storable(provider);
    model = Text.storable(model);
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
      Reply reply,
      TokenCounts tokens) {
    this(provider, model, startedAt, ranMs, reply, tokens, null);
  }

  /// The code of the error; null if the provider answered.
  public @Nullable String errorCode() {
    return reply.errorCode();
  }

  /// How many calls the entry stands for.
  public int count() {
    return times == null ? 1 : times;
  }

  /// Both calls as one entry: the beginning of the first, the end of the later one, and the sums.
  public Call and(Call later) {
    return new Call(
        provider,
        model,
        startedAt,
        ranMs + later.ranMs,
        later.reply,
        tokens.plus(later.tokens),
        (int) Math.min(Integer.MAX_VALUE, (long) count() + later.count()));
  }
}
