package org.pgoffload.worker.llm;

import java.sql.SQLException;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.protocol.Result;
import org.pgoffload.telemetry.FaultPlace;
import org.pgoffload.worker.delivery.Claim;
import org.pgoffload.worker.delivery.ConsumedRequest;
import org.pgoffload.worker.delivery.EndReason;
import org.pgoffload.worker.delivery.PendingListener;
import org.pgoffload.worker.delivery.PendingRequests;
import org.pgoffload.worker.delivery.RequestEnd;
import org.pgoffload.worker.delivery.RequestHandler;
import org.pgoffload.worker.delivery.RequestQueue;
import org.pgoffload.worker.delivery.RunRequests;
import org.pgoffload.worker.delivery.lease.ClaimLostException;
import org.pgoffload.worker.delivery.scheduling.RequestScheduler;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Answers requests to a language model, new ones or deferred ones. The models take turns, and a
/// request begins when it is among the next of its model: it waits for the call by itself.
///
/// A worker has two, which share what is in flight. A record of the topic of deferred requests is
/// there in case its worker dies: while that lives, it is watched.
final class LlmRequestHandler implements RequestHandler<LlmAttempt> {
  private static final Logger LOG = LoggerFactory.getLogger(LlmRequestHandler.class);

  private final RequestQueue queue;
  private final InFlightRequest.Deferral deferral;
  private final RequestScheduler<String> scheduler;
  private final PendingRequests pending;
  private final Shared shared;

  /// What both handlers share.
  ///
  /// @param work what a request's own thread does
  /// @param targets which model a request waits for
  /// @param inFlight what has begun, from either queue
  /// @param cancellations what came before its request was recorded is obeyed by the handlers
  /// @param clock the database's
  record Shared(
      ClaimRequests claims,
      Work work,
      RunRequests run,
      ChooseTarget targets,
      InFlightRequests inFlight,
      ObeyCancellations cancellations,
      InstantSource clock) {}

  /// How a request is answered.
  ///
  /// @param find what a worker that died had published
  record Work(
      AnswerRequest answer, DescribeAnswer describe, PublishAnswers publish, FindPublished find) {}

  /// @param deferral whether the queue's records may be handed over to the topic of deferred ones
  /// @param mostOfModel how many of the queue's records may be begun and unfinished for one model
  LlmRequestHandler(
      RequestQueue queue, InFlightRequest.Deferral deferral, int mostOfModel, Shared shared) {
    this.queue = queue;
    this.deferral = deferral;
    this.scheduler =
        new RequestScheduler<>(
            new ModelTurns(mostOfModel, this::allowance),
            RequestScheduler.KeyOrder.UNTIL_IT_HAS_BEGUN);
    this.shared = shared;
    this.pending = new PendingRequests(PendingListener.of(scheduler, this::schedule));
  }

  /// What is deferred has been claimed before, here or by a worker that may be dead: it does not
  /// wait behind newer requests for its model.
  private int allowance(String model) {
    return switch (deferral) {
      case POSSIBLE -> shared.inFlight.allowance(model);
      case DONE -> shared.inFlight.room();
    };
  }

  @Override
  public RequestQueue queue() {
    return queue;
  }

  /// Where its requests count as unfinished.
  PendingRequests pending() {
    return pending;
  }

  @Override
  public RequestScheduler<String> scheduler() {
    return scheduler;
  }

  private void schedule(ConsumedRequest request) {
    var envelope = request.envelope();
    scheduler.add(
        request.id(),
        shared.targets.nameOf(envelope),
        shared.targets.pausable(envelope),
        envelope.orderingKey(),
        envelope.deadline().orElse(null));
    if (request.refusal() != null) {
      scheduler.end(request.id());
    }
  }

  @Override
  public int room() {
    return shared.inFlight.room();
  }

  @Override
  public List<Long> mayBegin(int atMost) {
    return scheduler.choose(atMost, shared.clock.instant());
  }

  @Override
  public void record(List<ConsumedRequest> requests) throws SQLException {
    shared.claims.record(requests);
    shared.cancellations.obeyEarly(requests);
  }

  @Override
  public Map<Long, Claim<LlmAttempt>> claim(List<ConsumedRequest> requests, @Nullable UUID timeline)
      throws SQLException {
    var claims = shared.claims.claim(requests, pending::isRecorded, timeline);
    // one that was read while the claim was under way did not see the claim, nor the claim it
    shared.cancellations.obeyEarly(requests);
    return claims;
  }

  @Override
  public Claim<LlmAttempt> claimToEnd(ConsumedRequest request, @Nullable UUID timeline)
      throws SQLException {
    try {
      return shared.claims.claimUnrecorded(request, timeline);
    } catch (SQLException e) {
      if (!DatabaseFault.isDataError(e)) {
        throw e;
      }
      // the database takes no row of this id: only readers of the topic are told
      return new Claim.Claimed<>(new LlmAttempt(1, request.envelope().signedAt(), 0, null));
    }
  }

  /// The results of LLM requests are in the table only after they were published.
  @Override
  public Optional<Execution> publishStanding(ConsumedRequest request) {
    return Optional.empty();
  }

  @Override
  public Optional<Execution> end(ConsumedRequest request, LlmAttempt claim, EndReason reason) {
    var envelope = request.envelope();
    var describe = shared.work.describe;
    return switch (reason) {
      case EndReason.Refused _ -> {
        var refusal = Objects.requireNonNull(claim.refusal(), "a refused claim says why");
        if (refusal.reason() == LlmAttempt.Reason.CANCELLED) {
          shared.inFlight.find(request.id()).ifPresent(InFlightRequest::cancel);
        }
        yield isHere(request)
            ? Optional.empty()
            : Optional.of(ended(request, claim, () -> describe.refused(envelope, claim, refusal)));
      }
      case EndReason.NotExecuted(var refusal) ->
          isHere(request)
              ? Optional.empty()
              : Optional.of(
                  ended(request, claim, () -> describe.notExecuted(envelope, claim, refusal)));
      case EndReason.Unclaimable(var sqlState) ->
          Optional.of(ended(request, claim, () -> describe.unclaimable(envelope, claim, sqlState)));
    };
  }

  private Execution ended(ConsumedRequest request, LlmAttempt claim, Supplier<Result> result) {
    return () -> {
      if (!isPublished(request, claim)) {
        shared.work.publish.result(result.get());
      }
      return RequestEnd.FINISHED;
    };
  }

  /// A request may be consumed again while it runs here: its deferred record, or a delivery that
  /// was repeated. Sees to its record then.
  private boolean isHere(ConsumedRequest request) {
    long id = request.id();
    var found = shared.inFlight.find(id);
    if (found.isPresent()) {
      var running = found.get();
      if (!running.request().envelope().key().equals(request.envelope().key())) {
        // another one of its id, which was lost in a fail-over: this one waits for its end
        pending.heldElsewhere(request);
        return true;
      }
      if (deferral == InFlightRequest.Deferral.POSSIBLE && running.isDeferred()) {
        // its record is in the other topic: this one needs nothing
        pending.finish(id);
      } else {
        pending.running(id);
        running.follow(() -> pending.finish(id), () -> pending.heldElsewhere(request));
      }
      return true;
    }
    if (shared.inFlight.isEnding(id)) {
      // what claimed it is about to publish that it was cancelled
      pending.heldElsewhere(request);
      return true;
    }
    if (shared.run.hasPublished(request.envelope().key())) {
      // asked second: it is published before it stops ending
      pending.finish(id);
      return true;
    }
    return false;
  }

  @Override
  public Optional<Execution> begin(ConsumedRequest request, LlmAttempt claim) {
    if (isHere(request)) {
      return Optional.empty();
    }
    var begun = shared.inFlight.begin(request, claim, pending, deferral);
    return Optional.of(() -> execute(begun, claim));
  }

  private RequestEnd execute(InFlightRequest begun, LlmAttempt claim) throws InterruptedException {
    boolean left = false;
    try {
      if (!isPublished(begun.request(), claim)) {
        shared.work.publish.result(result(begun, claim));
      }
      // before it is forgotten: between the two the request is both, never neither
      shared.run.published(begun.request().envelope().key());
    } catch (ClaimLostException e) {
      LOG.info("{}: no call is made for it here any more", e.getMessage());
      left = true;
    } finally {
      shared.inFlight.remove(begun);
    }
    if (left) {
      // this record is watched; if it is finished, the one in the other topic is
      begun.leave();
      return RequestEnd.HELD;
    }
    // not of one that is left for the next worker: its other records must stay unfinished
    begun.end();
    return RequestEnd.FINISHED;
  }

  /// A request that was begun before may have its result, which its worker did not live to commit.
  /// Nothing of it is done before that is known, and a cancellation waits as well.
  private boolean isPublished(ConsumedRequest request, LlmAttempt claim)
      throws InterruptedException {
    return (claim.isTakeover() || request.repeated())
        && shared.work.find.isPublished(
            request.envelope().key(), request.envelope().requestedBy().userOid());
  }

  private Result result(InFlightRequest begun, LlmAttempt claim) throws InterruptedException {
    begun.runsOn(Thread.currentThread());
    try {
      long from = System.nanoTime();
      var ending = shared.work.answer.answer(begun, claim);
      return shared.work.describe.executed(begun, claim, ending, (System.nanoTime() - from) / 1e6);
    } catch (InterruptedException e) {
      if (begun.isCancelled()) {
        return shared.work.describe.cancelled(begun, claim);
      }
      throw e;
    } catch (ClaimLostException e) {
      throw e;
    } catch (RuntimeException | Error e) {
      // An error too: this thread is all that knows the request, and it would wait for ever.
      LOG.error(
          "Request {} met a fault of the worker and ends as failed: {}",
          begun.id(),
          FaultPlace.of(e));
      return shared.work.describe.fault(begun, claim);
    } finally {
      begun.settle();
    }
  }
}
