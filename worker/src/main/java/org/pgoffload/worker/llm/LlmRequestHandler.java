package org.pgoffload.worker.llm;

import java.sql.SQLException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RequestChannel;
import org.pgoffload.protocol.Result;
import org.pgoffload.telemetry.FaultPlace;
import org.pgoffload.worker.WorkerConfiguration;
import org.pgoffload.worker.delivery.Claim;
import org.pgoffload.worker.delivery.ClaimRequests;
import org.pgoffload.worker.delivery.ConsumedRequest;
import org.pgoffload.worker.delivery.DeferredHeaders;
import org.pgoffload.worker.delivery.FindPublished;
import org.pgoffload.worker.delivery.MeasureRequests;
import org.pgoffload.worker.delivery.PendingRequests;
import org.pgoffload.worker.delivery.PublishResults;
import org.pgoffload.worker.delivery.RequestHandler;
import org.pgoffload.worker.delivery.RunRequests;
import org.pgoffload.worker.llm.calls.ClaimLostException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Answers requests to a language model, new ones or deferred ones: whatever was received is
/// claimed and begins, up to the window. Each waits for its turn by itself.
///
/// There are two of it in a worker, which share what has begun. A record of the topic of deferred
/// requests is there in case its worker dies: while that lives, it is watched.
public final class LlmRequestHandler implements RequestHandler {
  private static final Logger LOG = LoggerFactory.getLogger(LlmRequestHandler.class);

  /// Something ends all the time: whatever waits begins within this.
  private static final Duration POLL_WHILE_WAITING = Duration.ofMillis(2);

  private static final Duration POLL_WHILE_FULL = Duration.ofMillis(20);

  private final String topic;
  private final int window;
  private final boolean deferrable;
  private final WorkerConfiguration configuration;
  private final ClaimRequests claims;
  private final AnswerRequest answer;
  private final PublishResults publish;
  private final RunRequests run;
  private final PendingRequests unfinished;
  private final InFlightRequests asked;
  private final FindPublished find;
  private final ClaimFence confirm;
  private final InstantSource clock;
  private final MeasureRequests measure;

  /// The lapses of the lease before what is being claimed; for the consumer's own thread.
  private long lapsesBeforeClaim;

  /// @param topic of its requests
  /// @param window so many unfinished records make it take no more
  /// @param deferrable whether its records may be handed over to the topic of deferred ones
  /// @param asked what has begun, in either handler
  /// @param find what a worker that died had published
  /// @param confirm which claims are still this worker's
  public LlmRequestHandler(
      String topic,
      int window,
      boolean deferrable,
      WorkerConfiguration configuration,
      ClaimRequests claims,
      AnswerRequest answer,
      PublishResults publish,
      RunRequests run,
      PendingRequests unfinished,
      InFlightRequests asked,
      FindPublished find,
      ClaimFence confirm,
      InstantSource clock,
      MeasureRequests measure) {
    this.topic = topic;
    this.window = window;
    this.deferrable = deferrable;
    this.configuration = configuration;
    this.claims = claims;
    this.answer = answer;
    this.publish = publish;
    this.run = run;
    this.unfinished = unfinished;
    this.asked = asked;
    this.find = find;
    this.confirm = confirm;
    this.clock = clock;
    this.measure = measure;
  }

  @Override
  public String topic() {
    return topic;
  }

  @Override
  public RequestChannel kinds() {
    return RequestChannel.LLM;
  }

  @Override
  public void received(ConsumedRequest request) {
    if (deferrable) {
      // a deferred one has arrived before
      measure.arrived(request);
    }
    var _ = unfinished.received(request);
  }

  @Override
  public int window() {
    return window;
  }

  @Override
  public Optional<Duration> pollWhileWaiting() {
    if (!unfinished.hasWaiting()) {
      return Optional.empty();
    }
    return Optional.of(claimable() > 0 ? POLL_WHILE_WAITING : POLL_WHILE_FULL);
  }

  @Override
  public int claimable() {
    if (asked.bytes() >= configuration.maxBytesInFlight()) {
      return 0;
    }
    int room = configuration.maxDeferred() - asked.count();
    return Math.max(0, Math.min(window - unfinished.running(), room));
  }

  @Override
  public List<ConsumedRequest> mayBegin(int atMost) {
    return unfinished.waiting(atMost);
  }

  @Override
  public void claim(List<ConsumedRequest> requests) throws SQLException {
    lapsesBeforeClaim = confirm.leaseLapses();
    var outcomes = claims.claim(requests);
    for (var request : requests) {
      switch (outcomes.get(request.id())) {
        case Claim.Claimed claimed -> {
          measure.claimed(kinds(), request, claimed.attempt(), claimed.claimedAt());
          beginOrFollow(request, claimed);
        }
        // what runs here is followed and what was published is known: else the claim was made, but
        // its reply was lost with the connection
        case Claim.Own own -> beginOrFollow(request, own.claimed());
        case Claim.Refused refused -> {
          measure.claim(kinds(), "refused");
          refuse(request, refused);
        }
        case Claim.Held _ -> unfinished.heldElsewhere(request);
        case Claim.Answered _ -> {
          measure.claim(kinds(), "answered");
          unfinished.finish(request.id());
        }
        case null ->
            throw new IllegalStateException("no claim came back for request " + request.id());
      }
    }
  }

  @Override
  public void endUnclaimable(ConsumedRequest request, String sqlState) throws SQLException {
    if (request.refusal() != null) {
      // nobody can say whether it has a result
      unfinished.finish(request.id());
      return;
    }
    Claim claim;
    try {
      claim = claims.claimUnrecorded(request);
    } catch (SQLException e) {
      if (!DatabaseFault.isDataError(e)) {
        throw e;
      }
      // of this id the database takes nothing: only who reads the topic is told
      claim = new Claim.Claimed(1, request.envelope().signedAt());
    }
    switch (claim) {
      case Claim.Claimed claimed -> endUnclaimable(request, claimed, sqlState);
      case Claim.Own own -> endUnclaimable(request, own.claimed(), sqlState);
      case Claim.Refused refused -> refuse(request, refused);
      case Claim.Held _ -> unfinished.heldElsewhere(request);
      case Claim.Answered _ -> unfinished.finish(request.id());
    }
  }

  private void endUnclaimable(ConsumedRequest request, Claim.Claimed claimed, String sqlState) {
    end(request, claimed, () -> answer.unclaimable(request.envelope(), claimed, sqlState));
  }

  @Override
  public void drain(Duration patience) {
    run.finishWithin(patience);
    run.leaveTheRest();
  }

  private void refuse(ConsumedRequest request, Claim.Refused refused) {
    var running = asked.find(request.id());
    if (running.isPresent()) {
      running.get().cancel();
      beginOrFollow(request, refused.claimed());
    } else if (asked.isEnding(request.id())) {
      unfinished.heldElsewhere(request);
    } else if (run.hasPublished(request.id())) {
      unfinished.finish(request.id());
    } else {
      end(request, refused.claimed(), () -> answer.refused(request.envelope(), refused));
    }
  }

  /// Ends a claimed request without having anything made for it.
  private void end(ConsumedRequest request, Claim.Claimed claimed, Supplier<Result> result) {
    run.begin(
        unfinished,
        request,
        () -> {
          if (!isPublished(request.envelope(), claimed)) {
            publish.result(result.get());
          }
          return true;
        });
  }

  /// A request may be received again while it runs here: its deferred record, or a delivery that
  /// was repeated.
  private void beginOrFollow(ConsumedRequest request, Claim.Claimed claimed) {
    var running = asked.find(request.id());
    if (running.isEmpty()) {
      if (asked.isEnding(request.id())) {
        // what claimed it is about to publish that it was cancelled
        unfinished.heldElsewhere(request);
      } else if (run.hasPublished(request.id())) {
        // asked second: it is published before it stops ending
        unfinished.finish(request.id());
      } else {
        begin(request, claimed);
      }
      return;
    }
    if (deferrable && running.get().isDeferred()) {
      // its record is in the other topic: this one needs nothing
      unfinished.finish(request.id());
      return;
    }
    unfinished.running(request.id());
    running
        .get()
        .follow(() -> unfinished.finish(request.id()), () -> unfinished.heldElsewhere(request));
  }

  private void begin(ConsumedRequest request, Claim.Claimed claimed) {
    var refusal = request.refusal();
    if (refusal != null) {
      end(request, claimed, () -> answer.notExecuted(request.envelope(), claimed, refusal));
      return;
    }
    var headers = request.record().headers();
    var begun =
        new InFlightRequest(
            request,
            unfinished,
            deferrable,
            DeferredHeaders.calls(headers),
            clock,
            claimed.attempt(),
            lapsesBeforeClaim,
            confirm::confirm);
    asked.begin(begun);
    run.begin(
        unfinished,
        request,
        () -> {
          boolean left = false;
          try {
            if (!isPublished(request.envelope(), claimed)) {
              publish.result(result(begun, claimed));
            }
            // before it is forgotten: between the two the request is both, never neither
            run.published(request.id());
          } catch (ClaimLostException e) {
            LOG.info("{}: no call is made for it here any more", e.getMessage());
            left = true;
          } finally {
            asked.remove(begun);
          }
          if (left) {
            // this record is watched; if it is finished, the one in the other topic is
            unfinished.heldElsewhere(request);
            begun.leave();
            return false;
          }
          // not of one that is left for the next worker: its other records must stay unfinished
          begun.end();
          return true;
        });
  }

  /// A request that was begun before may have its result, which its worker did not live to commit.
  /// Nothing of it is done before that is known, and a cancellation waits as well.
  private boolean isPublished(Envelope envelope, Claim.Claimed claimed)
      throws InterruptedException {
    return claimed.isTakeover()
        && find.isPublished(envelope.id(), envelope.requestedBy().userOid());
  }

  private Result result(InFlightRequest begun, Claim.Claimed claimed) throws InterruptedException {
    begun.runsOn(Thread.currentThread());
    try {
      return answer.answer(begun, claimed);
    } catch (InterruptedException e) {
      if (begun.isCancelled()) {
        return answer.cancelled(begun, claimed);
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
      return answer.fault(begun, claimed);
    } finally {
      begun.settle();
    }
  }
}
