package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The terminal result of an LLM request, as it stands on the results topic and in the result
/// table: the JSON's field names are the table's column names. The JSON schema is
/// `result.v1.schema.json`; fields without a value are left out.
///
/// A request may have several such records (a worker died after its call, a delivery was repeated).
/// The first of an id in its partition is the one that counts.
///
/// @param version major version of the message
/// @param id the request id; also the record's key
/// @param kind the wire name of its [RequestKind]
/// @param status `succeeded`, `failed`, `cancelled` or `expired`
/// @param requestedBy the role that asked
/// @param requestedByOid its oid, which decides who may read the result
/// @param answer the model's text, when it succeeded
/// @param errorCode a stable code, when it did not
/// @param errorMessage what happened and what to do, when it did not
/// @param finishReason why the model stopped: `stop`, `length`, …
/// @param provider who answered, or was asked last; null where nobody was
/// @param model the model that answered, or was asked last, as the provider names it
/// @param providerRequestId the provider's own id of the call
/// @param inputTokens all input tokens, cached ones included
/// @param cachedTokens those of them that were read from the provider's cache
/// @param outputTokens all output tokens, reasoning included
/// @param reasoningTokens those of them that were spent on reasoning
/// @param attempts how many workers have begun it
/// @param queuedMs milliseconds from its signature to its claim
/// @param ranMs milliseconds from its claim to its result
/// @param worker the worker that produced the result
/// @param finishedAt ISO-8601, by the worker's clock
/// @param embeddings one vector for each input, in order, of a succeeded request for embeddings
/// @param cachedFrom the id of the request whose answer this is; null if a call was made for it
/// @param calls every call that was made for it by this worker, in order, those that failed too
/// @param lastSeq the number of the last [LlmPiece] of a streamed answer
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Result(
    @JsonProperty("version") int version,
    @JsonProperty("id") long id,
    @JsonProperty("kind") String kind,
    @JsonProperty("status") String status,
    @JsonProperty("requested_by") String requestedBy,
    @JsonProperty("requested_by_oid") long requestedByOid,
    @JsonProperty("answer") @Nullable String answer,
    @JsonProperty("error_code") @Nullable String errorCode,
    @JsonProperty("error_message") @Nullable String errorMessage,
    @JsonProperty("finish_reason") @Nullable String finishReason,
    @JsonProperty("provider") @Nullable String provider,
    @JsonProperty("model") @Nullable String model,
    @JsonProperty("provider_request_id") @Nullable String providerRequestId,
    @JsonProperty("input_tokens") @Nullable Long inputTokens,
    @JsonProperty("cached_tokens") @Nullable Long cachedTokens,
    @JsonProperty("output_tokens") @Nullable Long outputTokens,
    @JsonProperty("reasoning_tokens") @Nullable Long reasoningTokens,
    @JsonProperty("attempts") int attempts,
    @JsonProperty("queued_ms") @Nullable Double queuedMs,
    @JsonProperty("ran_ms") @Nullable Double ranMs,
    @JsonProperty("worker") @Nullable String worker,
    @JsonProperty("finished_at") String finishedAt,
    @JsonProperty("embeddings") @Nullable List<float[]> embeddings,
    @JsonProperty("cached_from") @Nullable Long cachedFrom,
    @JsonProperty("calls") @Nullable List<Call> calls,
    @JsonProperty("last_seq") @Nullable Long lastSeq)
    implements ResultMessage {
  /// The major version this code writes and reads.
  public static final int VERSION = 1;

  public static final String SUCCEEDED = "succeeded";
  public static final String FAILED = "failed";
  public static final String CANCELLED = "cancelled";
  public static final String EXPIRED = "expired";

  static final Set<String> STATUSES = Set.of(SUCCEEDED, FAILED, CANCELLED, EXPIRED);

  public Result {
    if (version != VERSION) {
      throw new IllegalArgumentException("result version " + version + " is not " + VERSION);
    }
    if (!STATUSES.contains(status)) {
      throw new IllegalArgumentException("the status of a result is not a terminal one");
    }
    if (status.equals(SUCCEEDED) == (errorCode != null)) {
      throw new IllegalArgumentException("a result has an error code unless it succeeded");
    }
    answer = storable(answer);
    errorCode = storable(errorCode);
    errorMessage = storable(errorMessage);
    finishReason = storable(finishReason);
    provider = storable(provider);
    model = storable(model);
    providerRequestId = storable(providerRequestId);
  }

  private static @Nullable String storable(@Nullable String text) {
    return text == null ? null : Text.storable(text);
  }

  /// Reads a record's value. Unknown fields are ignored.
  ///
  /// @throws MalformedMessageException if the bytes are no result, or of another major version
  public static Result read(byte[] bytes) {
    return Json.read(bytes, Result.class, "not the JSON of a result of version " + VERSION);
  }

  /// The same result as a failed one: without its answer, which could not be kept.
  public Result withFailure(String code, String message) {
    return new Result(
        version,
        id,
        kind,
        FAILED,
        requestedBy,
        requestedByOid,
        null,
        code,
        message,
        null,
        provider,
        model,
        providerRequestId,
        inputTokens,
        cachedTokens,
        outputTokens,
        reasoningTokens,
        attempts,
        queuedMs,
        ranMs,
        worker,
        finishedAt,
        null,
        cachedFrom,
        calls,
        lastSeq);
  }

  @Override
  public byte[] write() {
    return Json.write(this);
  }

  /// Names the request without its content.
  @Override
  public String toString() {
    return "Result[id=" + id + ", status=" + status + "]";
  }
}
