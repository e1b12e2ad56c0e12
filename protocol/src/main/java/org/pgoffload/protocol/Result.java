package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import com.fasterxml.jackson.databind.annotation.JsonDeserialize;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The terminal result of an LLM request, as it stands on the results topic and in the result
/// table: the JSON's field names are the table's column names. The JSON is flat: the fields of the
/// records in here stand side by side, and fields without a value are left out. The JSON schema is
/// `result.v1.schema.json`.
///
/// A request may have several results (its first worker died after the call, a delivery was
/// repeated). The first result of an id in its partition counts.
///
/// @param head which request has ended, and how
/// @param vectors of a succeeded request for embeddings; null of any other
/// @param maintained the row of a maintained column that it is for; null if it is for none
@JsonInclude(JsonInclude.Include.NON_NULL)
@JsonDeserialize(builder = FlatResult.class)
public record Result(
    @JsonUnwrapped ResultHead head,
    @JsonUnwrapped Outcome outcome,
    @JsonUnwrapped Origin origin,
    @JsonUnwrapped Tokens tokens,
    @JsonUnwrapped Run run,
    @JsonUnwrapped @Nullable Vectors vectors,
    @JsonUnwrapped Provenance provenance,
    @JsonProperty("maintained") @Nullable MaintainedRow maintained)
    implements ResultMessage {
  /// The major version this code writes and reads.
  public static final int VERSION = 1;

  public static final String SUCCEEDED = "succeeded";
  public static final String FAILED = "failed";
  public static final String CANCELLED = "cancelled";
  public static final String EXPIRED = "expired";

  static final Set<String> STATUSES = Set.of(SUCCEEDED, FAILED, CANCELLED, EXPIRED);

  /// The answer, or why there is none.
  ///
  /// @param answer the model's text, of a succeeded request for a completion
  /// @param errorCode a stable code, unless the request succeeded
  /// @param errorMessage what happened and what to do, unless the request succeeded
  /// @param finishReason why the model stopped: `stop`, `length`, …
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Outcome(
      @JsonProperty("answer") @Nullable String answer,
      @JsonProperty("error_code") @Nullable String errorCode,
      @JsonProperty("error_message") @Nullable String errorMessage,
      @JsonProperty("finish_reason") @Nullable String finishReason) {
    public Outcome {
      answer = storable(answer);
      errorCode = storable(errorCode);
      errorMessage = storable(errorMessage);
      finishReason = storable(finishReason);
    }

    /// The outcome of a succeeded request.
    public static Outcome answered(@Nullable String answer, @Nullable String finishReason) {
      return new Outcome(answer, null, null, finishReason);
    }

    /// An outcome without an answer.
    public static Outcome error(String code, @Nullable String message) {
      return new Outcome(null, code, message, null);
    }
  }

  /// The model that answered, or that was asked last. All null if no model was asked.
  ///
  /// @param model the model, as its provider names it
  /// @param providerRequestId the provider's own id of the call
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Origin(
      @JsonProperty("provider") @Nullable String provider,
      @JsonProperty("model") @Nullable String model,
      @JsonProperty("provider_request_id") @Nullable String providerRequestId) {
    public static final Origin NONE = new Origin(null, null, null);

    public Origin {
      provider = storable(provider);
      model = storable(model);
      providerRequestId = storable(providerRequestId);
    }
  }

  /// The tokens of all calls, as in [TokenCounts]. All null if they are not known.
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Tokens(
      @JsonProperty("input_tokens") @Nullable Long input,
      @JsonProperty("cached_tokens") @Nullable Long cached,
      @JsonProperty("output_tokens") @Nullable Long output,
      @JsonProperty("reasoning_tokens") @Nullable Long reasoning) {
    public static final Tokens UNKNOWN = new Tokens(null, null, null, null);

    public static Tokens of(TokenCounts counts) {
      return new Tokens(counts.input(), counts.cached(), counts.output(), counts.reasoning());
    }
  }

  /// Where and when the request ran. Times of day are by the database's clock, which the worker
  /// follows.
  ///
  /// @param attempts how many workers have begun the request
  /// @param queuedMs milliseconds from the request's `createdAt` to its claim, both by the
  ///   database's clock. A request that was signed and sent a second time has waited since the
  ///   first time.
  /// @param ranMs milliseconds from the beginning of the work, just after the claim, to the result
  /// @param worker the worker that produced the result
  /// @param finishedAt when the worker made the result, ISO-8601
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Run(
      @JsonProperty("attempts") int attempts,
      @JsonProperty("queued_ms") @Nullable Double queuedMs,
      @JsonProperty("ran_ms") @Nullable Double ranMs,
      @JsonProperty("worker") @Nullable String worker,
      @JsonProperty("finished_at") String finishedAt) {
    /// A run of which no more is known.
    public static Run of(int attempts, String finishedAt) {
      return new Run(attempts, null, null, null, finishedAt);
    }
  }

  /// The vectors of texts.
  ///
  /// @param embeddings one vector for each text, in order
  /// @param chunks the texts that the one input was split into; null if the texts are the inputs
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Vectors(
      @JsonProperty("embeddings") List<float[]> embeddings,
      @JsonProperty("chunks") @Nullable List<String> chunks) {
    public Vectors {
      if (chunks != null) {
        Require.that(chunks.size() == embeddings.size(), "not every chunk has its embedding");
        chunks = chunks.stream().map(Text::storable).toList();
      }
    }

    /// The vectors of the inputs themselves; null for none.
    public static @Nullable Vectors of(@Nullable List<float[]> embeddings) {
      return embeddings == null ? null : new Vectors(embeddings, null);
    }
  }

  /// How the answer came about.
  ///
  /// @param cachedFrom the id of the request whose answer this is; null if a call was made for it
  /// @param calls every call that this worker made for the request, in order, failed ones too
  /// @param lastSeq the number of the last [LlmPiece] of a streamed answer
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Provenance(
      @JsonProperty("cached_from") @Nullable Long cachedFrom,
      @JsonProperty("calls") @Nullable List<Call> calls,
      @JsonProperty("last_seq") @Nullable Long lastSeq) {
    public static final Provenance NONE = new Provenance(null, null, null);
  }

  public Result {
    if (head.version() != VERSION) {
      throw new IllegalArgumentException("result version " + head.version() + " is not " + VERSION);
    }
    if (!STATUSES.contains(head.status())) {
      throw new IllegalArgumentException("the status of a result is not a terminal one");
    }
    if (head.status().equals(SUCCEEDED) == (outcome.errorCode() != null)) {
      throw new IllegalArgumentException("a result has an error code unless it succeeded");
    }
  }

  /// The result of a request for which no call is known.
  public static Result withoutCalls(ResultHead head, Outcome outcome, Run run) {
    return new Result(head, outcome, Origin.NONE, Tokens.UNKNOWN, run, null, Provenance.NONE, null);
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
        head.withStatus(FAILED),
        Outcome.error(code, message),
        origin,
        tokens,
        run,
        null,
        provenance,
        maintained);
  }

  /// The same result with nothing but these vectors for an answer.
  public Result withVectors(Vectors other) {
    return new Result(
        head,
        Outcome.answered(null, outcome.finishReason()),
        origin,
        tokens,
        run,
        other,
        provenance,
        maintained);
  }

  @Override
  public long id() {
    return head.id();
  }

  public String kind() {
    return head.kind();
  }

  public String status() {
    return head.status();
  }

  public String requestedBy() {
    return head.requestedBy();
  }

  public long requestedByOid() {
    return head.requestedByOid();
  }

  public @Nullable String answer() {
    return outcome.answer();
  }

  public @Nullable String errorCode() {
    return outcome.errorCode();
  }

  public @Nullable String errorMessage() {
    return outcome.errorMessage();
  }

  public int attempts() {
    return run.attempts();
  }

  public String finishedAt() {
    return run.finishedAt();
  }

  public @Nullable Long cachedFrom() {
    return provenance.cachedFrom();
  }

  public @Nullable List<Call> calls() {
    return provenance.calls();
  }

  @Override
  public byte[] write() {
    return Json.write(this);
  }

  /// Names the request without its content.
  @Override
  public String toString() {
    return "Result[id=" + id() + ", status=" + status() + "]";
  }
}
