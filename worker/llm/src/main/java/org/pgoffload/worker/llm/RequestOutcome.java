package org.pgoffload.worker.llm;

import static java.util.stream.Collectors.joining;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.MaintainedRequest;
import org.pgoffload.protocol.Result;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Origin;
import org.pgoffload.worker.models.RankedDocument;

/// How a request ended, before it becomes a [Result].
///
/// @param outcome the answer, or why there is none
/// @param origin the model that answered, or that was asked last
/// @param vectors of a succeeded request for embeddings
/// @param cachedFrom whose answer it is, if no call was made for it
/// @param lastSeq of a streamed answer
record RequestOutcome(
    String status,
    Result.Outcome outcome,
    Result.Origin origin,
    Result.@Nullable Vectors vectors,
    @Nullable Long cachedFrom,
    @Nullable Long lastSeq) {
  static final String DEADLINE_PASSED = "deadline_passed";
  static final String SCHEMA_MISMATCH = "schema_mismatch";
  static final String BUDGET_EXCEEDED = "budget_exceeded";
  static final String SUPERSEDED = "superseded";
  static final String PROVIDER_NOT_CONFIGURED = "provider_not_configured";
  private static final String CANCELLED = "cancelled";

  static RequestOutcome of(LlmOutcome outcome, String provider) {
    return switch (outcome) {
      case LlmOutcome.Answered(var text, var reason, var origin, var _, var _) ->
          succeeded(Result.Outcome.answered(text, reason.word()), told(origin), null);
      case LlmOutcome.Embedded(var vectors, var origin, var _, var _) ->
          succeeded(Result.Outcome.answered(null, null), told(origin), Result.Vectors.of(vectors));
      case LlmOutcome.Reranked(var ranks, var origin, var _, var _) ->
          succeeded(Result.Outcome.answered(written(ranks), null), told(origin), null);
      case LlmOutcome.Failed(var error, var model, var _, var _) -> {
        var reason = error.finishReason() == null ? null : error.finishReason().word();
        yield without(
            Result.FAILED,
            new Result.Outcome(null, error.code().code(), error.message(), reason),
            new Result.Origin(provider, model, error.providerRequestId()));
      }
    };
  }

  /// As JSON, with the places of the documents from 1, as SQL counts them.
  private static String written(List<RankedDocument> ranks) {
    return ranks.stream()
        .map(rank -> "{\"ord\": %d, \"score\": %s}".formatted(rank.index() + 1, rank.score()))
        .collect(joining(", ", "[", "]"));
  }

  private static RequestOutcome succeeded(
      Result.Outcome outcome, Result.Origin origin, Result.@Nullable Vectors vectors) {
    return new RequestOutcome(Result.SUCCEEDED, outcome, origin, vectors, null, null);
  }

  /// The answer of an earlier request, taken instead of a call.
  static RequestOutcome taken(Result earlier) {
    return new RequestOutcome(
        Result.SUCCEEDED,
        Result.Outcome.answered(earlier.answer(), earlier.outcome().finishReason()),
        new Result.Origin(earlier.origin().provider(), earlier.origin().model(), null),
        earlier.vectors(),
        earlier.cachedFrom() == null ? (Long) earlier.id() : earlier.cachedFrom(),
        null);
  }

  static RequestOutcome failed(LlmErrorCode code, String message) {
    return failed(code.code(), message);
  }

  static RequestOutcome failed(String code, String message) {
    return without(Result.FAILED, code, message);
  }

  /// @param timeout that the request had
  /// @param last what the last call came to, if one was made
  static RequestOutcome expired(Duration timeout, @Nullable LlmOutcome last) {
    var words =
        "not answered within "
            + timeout.toMillis()
            + " ms of the request; ask again with a longer timeout";
    return without(
        Result.EXPIRED,
        DEADLINE_PASSED,
        last instanceof LlmOutcome.Failed failed
            ? words
                + " (the last call: "
                + failed.error().code().code()
                + ": "
                + failed.error().message()
                + ")"
            : words);
  }

  /// @param by the role that cancelled it; empty if nobody noted it
  static RequestOutcome cancelled(String by) {
    return without(
        Result.CANCELLED,
        CANCELLED,
        by.isBlank() ? "cancelled by llm_cancel" : "cancelled by role " + by);
  }

  /// Nobody is asked, as the request itself says.
  static RequestOutcome withoutCall(MaintainedRequest.End end) {
    if (end.isBlank()) {
      return succeeded(Result.Outcome.answered(null, null), Result.Origin.NONE, null);
    }
    return without(
        end.code().equals(SUPERSEDED) ? Result.CANCELLED : Result.FAILED,
        Result.Outcome.error(end.code(), end.message()),
        Result.Origin.NONE);
  }

  /// A newer request of its row makes its answer needless.
  static RequestOutcome superseded() {
    return without(
        Result.CANCELLED, SUPERSEDED, "a newer request of the same row has overtaken it");
  }

  private static RequestOutcome without(String status, String code, String message) {
    return without(status, Result.Outcome.error(code, message), Result.Origin.NONE);
  }

  private static RequestOutcome without(String status, Result.Outcome error, Result.Origin origin) {
    return new RequestOutcome(status, error, origin, null, null, null);
  }

  /// The same, by whom it came about.
  RequestOutcome by(Origin other) {
    return new RequestOutcome(status, outcome, told(other), vectors, cachedFrom, lastSeq);
  }

  /// The same, with the texts that its vectors are of, if it has any.
  RequestOutcome ofChunks(List<String> chunks) {
    return vectors == null
        ? this
        : new RequestOutcome(
            status,
            outcome,
            origin,
            new Result.Vectors(vectors.embeddings(), chunks),
            cachedFrom,
            lastSeq);
  }

  /// The same, streamed up to that piece.
  RequestOutcome streamedTo(long seq) {
    return new RequestOutcome(status, outcome, origin, vectors, cachedFrom, seq);
  }

  private static Result.Origin told(Origin origin) {
    return new Result.Origin(origin.provider(), origin.model(), origin.providerRequestId());
  }

  /// Names the status, never the answer.
  @Override
  public String toString() {
    var code = outcome.errorCode();
    return "RequestOutcome[" + status + (code == null ? "" : ", " + code) + "]";
  }
}
