package org.pgoffload.worker.llm;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.MaintainedRequest;
import org.pgoffload.protocol.MaintainedRow;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultHead;
import org.pgoffload.worker.delivery.ConsumedRequest;
import org.pgoffload.worker.llm.calls.CallsMade;
import org.pgoffload.worker.models.Origin;

/// Makes the terminal results of LLM requests, however they end.
///
/// Safe to share between threads.
final class DescribeAnswer {
  private static final String NOT_CLAIMABLE = "not_claimable";
  private static final String INTERNAL_ERROR = "internal_error";

  private final String worker;
  private final InstantSource clock;

  /// @param clock the database's
  DescribeAnswer(String worker, InstantSource clock) {
    this.worker = worker;
    this.clock = clock;
  }

  /// The result of a request that was executed. Names the model that was asked last, whatever the
  /// request ended with.
  ///
  /// @param ranMs milliseconds from the beginning of the work
  Result executed(InFlightRequest asked, LlmAttempt claim, RequestOutcome ending, double ranMs) {
    var whom = asked.lastAsked();
    var named =
        ending.origin().provider() == null && whom != null
            ? ending.by(new Origin(whom.provider(), whom.model(), null))
            : ending;
    return result(asked.request().envelope(), claim, named, asked.callsMade(), ranMs);
  }

  /// The result of a request that met a fault of this worker.
  Result fault(InFlightRequest asked, LlmAttempt claim) {
    var ending =
        RequestOutcome.failed(
            INTERNAL_ERROR,
            "the worker met a fault of its own; its log has the place under this id");
    return executed(asked, claim, ending, 0);
  }

  /// The result of a request that was cancelled while it was seen to.
  Result cancelled(InFlightRequest asked, LlmAttempt claim) {
    var ranMs = millis(claim.claimedAt(), clock.instant());
    return executed(asked, claim, RequestOutcome.cancelled(""), ranMs);
  }

  /// The result of a request that was cancelled before anybody had begun it.
  Result cancelled(ObeyCancellations.CancelledRequest request) {
    var ending = RequestOutcome.cancelled("");
    return result(
        ResultHead.of(
            request.key(),
            request.kind(),
            ending.status(),
            request.requestedBy(),
            request.requestedByOid()),
        ending,
        List.of(),
        run(request.attempt(), request.createdAt(), request.claimedAt(), 0),
        request.row());
  }

  /// The result of a request that is ended without a call.
  Result refused(Envelope envelope, LlmAttempt claim, LlmAttempt.Refusal refusal) {
    var ending =
        switch (refusal.reason()) {
          case CANCELLED -> RequestOutcome.cancelled(refusal.detail());
          case OVER_BUDGET ->
              // what makes no call costs nothing
              MaintainedRequest.end(envelope.payload())
                  .map(RequestOutcome::withoutCall)
                  .orElseGet(() ->
                      RequestOutcome.failed(RequestOutcome.BUDGET_EXCEEDED, refusal.detail()));
          case SUPERSEDED -> RequestOutcome.superseded();
        };
    return notBegun(envelope, claim, ending);
  }

  /// The result of a request whose record may not be executed.
  Result notExecuted(Envelope envelope, LlmAttempt claim, ConsumedRequest.Refusal refusal) {
    return notBegun(
        envelope, claim, RequestOutcome.failed(refusal.reason().code(), refusal.words()));
  }

  /// The result of a request that the database will not let anybody claim with what it asks for.
  Result unclaimable(Envelope envelope, LlmAttempt claim, String sqlState) {
    return notBegun(
        envelope,
        claim,
        RequestOutcome.failed(
            NOT_CLAIMABLE, "the database refused to have it claimed, with SQLSTATE " + sqlState));
  }

  private Result notBegun(Envelope envelope, LlmAttempt claim, RequestOutcome ending) {
    return result(envelope, claim, ending, List.of(), 0);
  }

  private Result result(
      Envelope envelope, LlmAttempt claim, RequestOutcome ending, List<Call> calls, double ranMs) {
    return result(
        ResultHead.of(
            envelope.key(),
            envelope.kind(),
            ending.status(),
            envelope.requestedBy().user(),
            envelope.requestedBy().userOid()),
        ending,
        calls,
        run(claim.attempt(), envelope.createdAt(), claim.claimedAt(), ranMs),
        MaintainedRow.of(envelope.payload()).orElse(null));
  }

  private static Result result(
      ResultHead head,
      RequestOutcome ending,
      List<Call> calls,
      Result.Run run,
      @Nullable MaintainedRow row) {
    return new Result(
        head,
        ending.outcome(),
        ending.origin(),
        Result.Tokens.of(CallsMade.tokens(calls)),
        run,
        ending.vectors(),
        new Result.Provenance(
            ending.cachedFrom(), calls.isEmpty() ? null : calls, ending.lastSeq()),
        row);
  }

  private Result.Run run(int attempt, Instant createdAt, Instant claimedAt, double ranMs) {
    return new Result.Run(
        attempt,
        millis(createdAt, claimedAt),
        ranMs,
        worker,
        clock.instant().truncatedTo(ChronoUnit.MICROS).toString());
  }

  /// Never negative.
  private static double millis(Instant from, Instant to) {
    return Math.max(0, Duration.between(from, to).toNanos() / 1e6);
  }
}
