package org.pgoffload.worker;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.pgoffload.protocol.Result;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The lane of questions to a language model: whatever was received may begin, up to the window.
final class LlmLane implements Lane {
  private static final Logger LOG = LoggerFactory.getLogger(LlmLane.class);

  /// Something ends all the time: whatever waits begins within this.
  private static final Duration POLL_WHILE_WAITING = Duration.ofMillis(2);

  private final WorkerConfiguration configuration;
  private final ClaimRequests claims;
  private final AnswerRequest answer;
  private final PublishResults publish;
  private final RunRequests run;
  private final UnfinishedRequests unfinished;

  LlmLane(
      WorkerConfiguration configuration,
      ClaimRequests claims,
      AnswerRequest answer,
      PublishResults publish,
      RunRequests run,
      UnfinishedRequests unfinished) {
    this.configuration = configuration;
    this.claims = claims;
    this.answer = answer;
    this.publish = publish;
    this.run = run;
    this.unfinished = unfinished;
  }

  @Override
  public String topic() {
    return configuration.topics().llmRequests();
  }

  @Override
  public void received(ReceivedRequest request) {
    var _ = unfinished.received(request);
  }

  @Override
  public int window() {
    return configuration.maxInFlight();
  }

  @Override
  public Optional<Duration> pollWhileWaiting() {
    return unfinished.hasWaiting() ? Optional.of(POLL_WHILE_WAITING) : Optional.empty();
  }

  @Override
  public int claimable() {
    return Math.max(0, configuration.maxInFlight() - unfinished.running());
  }

  @Override
  public List<ReceivedRequest> mayBegin(int atMost) {
    return unfinished.waiting(atMost);
  }

  @Override
  public void claim(List<ReceivedRequest> requests) throws SQLException {
    var outcomes = claims.claim(requests);
    for (var request : requests) {
      switch (outcomes.get(request.id())) {
        case Claim.Claimed claimed -> begin(request, claimed);
        // what runs here is not asked for and what was published is known: the claim was made, but
        // its reply was lost with the connection
        case Claim.Own own -> begin(request, own.claimed());
        case Claim.Held _ -> unfinished.heldElsewhere(request);
        case Claim.Answered _ -> unfinished.finish(request.id());
        case null ->
            throw new IllegalStateException("no claim came back for request " + request.id());
      }
    }
  }

  @Override
  public void endUnclaimable(ReceivedRequest request, String sqlState) {
    run.begin(
        request,
        () -> {
          publish.result(answer.unclaimable(request.envelope(), sqlState));
          return true;
        });
  }

  @Override
  public void drain(Duration patience) {
    run.finishWithin(patience);
    run.leaveTheRest();
  }

  private void begin(ReceivedRequest request, Claim.Claimed claimed) {
    run.begin(
        request,
        () -> {
          publish.result(result(request, claimed));
          return true;
        });
  }

  private Result result(ReceivedRequest request, Claim.Claimed claimed)
      throws InterruptedException {
    try {
      return answer.answer(request.envelope(), claimed);
    } catch (RuntimeException | Error e) {
      // An error too: this thread is all that knows the request, and it would wait for ever.
      // The words of an exception may contain what was asked: its kind and place are enough.
      LOG.error(
          "Request {} met a fault of the worker and ends as failed: {} at {}",
          request.id(),
          e.getClass().getName(),
          e.getStackTrace().length == 0 ? "?" : e.getStackTrace()[0]);
      return answer.fault(request.envelope(), claimed);
    }
  }
}
