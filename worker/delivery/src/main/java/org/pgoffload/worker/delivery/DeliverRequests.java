package org.pgoffload.worker.delivery;

import java.sql.SQLException;
import java.time.Duration;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Halving;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.telemetry.LogRequest;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Claims the verified requests of one queue in their turn, has its handler execute them, records
/// those that wait, watches those that other workers have, and drains. While the database cannot be
/// asked nothing is claimed, so nothing is begun.
///
/// Longer than 300 lines because a request that is claimed, recorded, watched or ended meets the
/// same absence of the database.
///
/// For the thread of the queue's consumer.
final class DeliverRequests<A extends Attempt> {
  private static final Logger LOG = LoggerFactory.getLogger(DeliverRequests.class);

  private static final int CLAIM_BATCH = 500;

  /// Takeovers of what others held may exceed the window by so many, rather than be asked one by
  /// one.
  private static final int LEAST_WATCHED = 50;

  private static final Duration WATCH_INTERVAL = Duration.ofMillis(500);
  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(500);
  private static final Duration LONGEST_ROUND = Duration.ofMillis(100);
  private static final Duration LEAST_POLL = Duration.ofMillis(2);
  private static final Duration MOST_POLL = Duration.ofMillis(20);

  private final RequestHandler<A> handler;
  private final PendingRequests pending;
  private final RunRequests run;
  private final MeasureRequests measure;
  private final ReadAgain readAgain;
  private final boolean measuresArrivals;
  private long lastBeginning = System.nanoTime();
  private long lastWatch = System.nanoTime();
  private long nextClaim = System.nanoTime();
  private @Nullable UUID timeline;
  private final Complaint complaint = new Complaint(LOG);

  DeliverRequests(
      RequestHandler<A> handler,
      PendingRequests pending,
      RunRequests run,
      MeasureRequests measure,
      ReadAgain readAgain,
      TopicNames topics) {
    this.handler = handler;
    this.pending = pending;
    this.run = run;
    this.measure = measure;
    this.readAgain = readAgain;
    // what a worker has published again has arrived before
    this.measuresArrivals = handler.queue().isFirst(topics);
  }

  RequestQueue queue() {
    return handler.queue();
  }

  /// Takes a verified request; it waits until it may begin, or until it is claimed in order to be
  /// ended. Does not throw.
  void received(ConsumedRequest request) {
    if (measuresArrivals) {
      measure.arrived(request);
    }
    var _ = pending.received(request);
    lastBeginning = System.nanoTime();
  }

  /// Other workers read these partitions from now on: what waits of them is theirs.
  void lost(Collection<TopicPartition> partitions) {
    pending.forgetWaiting(partitions);
  }

  /// The database was failed over.
  void failedOver() {
    run.failedOver();
    pending.failedOver();
  }

  /// How many records are unfinished.
  int count() {
    return pending.count() + run.refused();
  }

  /// Their bytes.
  long bytes() {
    return pending.bytes() + run.refusedBytes();
  }

  /// How long a poll may take while requests wait; empty while none does. A fiftieth of the time
  /// that nothing has begun: what has waited long can wait a little longer.
  Optional<Duration> pollWhileWaiting() {
    if (!handler.scheduler().hasWaiting()) {
      return Optional.empty();
    }
    long pause = (System.nanoTime() - lastBeginning) / 50;
    return Optional.of(
        Duration.ofNanos(Math.clamp(pause, LEAST_POLL.toNanos(), MOST_POLL.toNanos())));
  }

  /// Whether the database could be asked when it last had to be.
  boolean hasDatabase() {
    return System.nanoTime() - nextClaim >= 0;
  }

  /// Claims and begins what may begin, and looks after the rest.
  ///
  /// @param timeline the token of the one on which the consumer has begun; null if it has not
  void round(@Nullable UUID timeline) {
    this.timeline = timeline;
    claimWaiting();
    recordWaiting();
    watchHeld();
    if (hasDatabase()) {
      complaint.end();
      // now nothing of it has to be claimed or recorded in this round
      pending.forgetRecords(queue().mostRecords(), queue().mostRecordBytes());
    }
  }

  /// Begins nothing more, lets what runs finish within the time and leaves the rest to the next
  /// worker.
  void drain(Duration patience) {
    if (!run.finishWithin(patience)) {
      var _ = run.finishWithin(handler.stop());
    }
    run.leaveTheRest();
  }

  /// For a moment at most: what comes meanwhile may begin too.
  private void claimWaiting() {
    long until = System.nanoTime() + LONGEST_ROUND.toNanos();
    while (hasDatabase() && System.nanoTime() - until < 0) {
      var chosen = handler.mayBegin(Math.min(CLAIM_BATCH, handler.room()));
      if (chosen.isEmpty() || !claimChosen(chosen)) {
        return;
      }
    }
  }

  /// Claims what is in memory before it asks Kafka for the rest.
  ///
  /// @return whether anything was claimed
  private boolean claimChosen(List<Long> chosen) {
    try {
      var unread =
          chosen.stream().filter(id -> pending.waits(id) && pending.waitingOf(id).isEmpty());
      var later = handler.scheduler().delayedWith(unread.toList(), chosen);
      var atOnce =
          without(later, chosen).stream().flatMap(id -> pending.waitingOf(id).stream()).toList();
      boolean claimed = claimAny(atOnce);
      if (!later.isEmpty()) {
        claimed |= claimAny(readAgain(later));
      }
      for (long id : chosen) {
        if (!pending.has(id)) {
          // it was ended before the scheduler knew it
          handler.scheduler().finished(id);
        }
      }
      return claimed;
    } catch (RuntimeException e) {
      putBack(chosen);
      throw e;
    }
  }

  private static List<Long> without(List<Long> others, List<Long> ids) {
    var left = new LinkedHashSet<>(ids);
    others.forEach(left::remove);
    return List.copyOf(left);
  }

  private boolean claimAny(List<ConsumedRequest> requests) {
    if (requests.isEmpty()) {
      return false;
    }
    claimOrWait(requests);
    return true;
  }

  /// Gets records of chosen requests. What has to wait is put back.
  private List<ConsumedRequest> readAgain(List<Long> chosen) {
    if (!hasDatabase()) {
      putBack(chosen);
      return List.of();
    }
    var records = readAgain.records(chosen);
    var later = handler.scheduler().delayedWith(records.unread(), chosen);
    putBack(later);
    return records.requests().stream().filter(request -> !later.contains(request.id())).toList();
  }

  /// What waits is recorded, so that it can be listed and cancelled.
  private void recordWaiting() {
    try {
      while (hasDatabase()) {
        var batch = pending.unrecorded(CLAIM_BATCH);
        if (batch.isEmpty()) {
          return;
        }
        Halving.run(
            batch,
            requests -> {
              handler.record(requests);
              requests.forEach(request -> pending.recorded(request.id()));
            },
            (request, _) -> pending.notRecordable(request.id()));
      }
    } catch (SQLException e) {
      waitForDatabase(e);
    }
  }

  /// What another worker held is asked for again, until it is answered or its holder is dead: Kafka
  /// never delivers it again, so that skipping it would lose it with its holder. What is paused is
  /// not: its holder may be dead, and it would begin here.
  private void watchHeld() {
    if (System.nanoTime() - lastWatch < WATCH_INTERVAL.toNanos()) {
      return;
    }
    lastWatch = System.nanoTime();
    var held =
        pending.held().stream()
            .filter(request -> !handler.scheduler().isPaused(request.id()))
            .toList();
    int from = 0;
    while (from < held.size() && handler.room() > 0 && hasDatabase()) {
      int to = Math.min(held.size(), from + Math.clamp(handler.room(), LEAST_WATCHED, CLAIM_BATCH));
      claimOrWait(held.subList(from, to));
      from = to;
    }
  }

  /// Halves a batch until what the database will not let any worker claim is alone, and ends it.
  /// Each half is tried, whatever became of the other: what was chosen to begin would wait for
  /// ever.
  private void claimOrWait(List<ConsumedRequest> requests) {
    try {
      claim(requests);
      lastBeginning = System.nanoTime();
    } catch (RuntimeException e) {
      putBack(ids(requests));
      throw e;
    } catch (SQLException e) {
      if (!DatabaseFault.isDataError(e)) {
        putBack(ids(requests));
        waitForDatabase(e);
      } else if (requests.size() > 1) {
        Halving.halves(requests).forEach(this::claimOrWait);
      } else {
        endUnclaimable(requests.getFirst(), String.valueOf(e.getSQLState()));
      }
    }
  }

  /// What was chosen and has not begun waits again.
  private void putBack(List<Long> chosen) {
    chosen.stream().filter(pending::waits).forEach(handler.scheduler()::putBack);
  }

  private static List<Long> ids(List<ConsumedRequest> requests) {
    return requests.stream().map(ConsumedRequest::id).toList();
  }

  private void waitForDatabase(SQLException fault) {
    complaint.of(
        "Requests wait, because the database could not be asked to claim them: "
            + fault.getMessage());
    nextClaim = System.nanoTime() + PAUSE_AFTER_FAULT.toNanos();
  }

  /// Claims requests, begins what was claimed, and finishes or sets aside the rest.
  private void claim(List<ConsumedRequest> requests) throws SQLException {
    var claims = handler.claim(requests, timeline);
    var channel = queue().channel();
    for (var request : requests) {
      switch (claims.get(request.id())) {
        case Claim.Claimed<A>(var attempt) -> {
          measure.claimed(channel, request, attempt);
          begin(request, attempt);
        }
        // what runs here is followed and what was published is known: else the claim was made, but
        // its reply was lost with the connection
        case Claim.Own<A>(var attempt) -> begin(request, attempt);
        case Claim.Refused<A>(var attempt) -> {
          measure.claim(channel, "refused");
          end(request, attempt, new EndReason.Refused());
        }
        case Claim.Answered<A> _ -> {
          measure.claim(channel, "answered");
          handler
              .publishStanding(request)
              .ifPresentOrElse(
                  publish -> run.begin(pending, request, publish),
                  () -> pending.finish(request.id()));
        }
        case Claim.Held<A> _ -> pending.heldElsewhere(request);
        case Claim.Unasked<A> _ -> unasked(request);
        case Claim.Missing<A> _ -> {
          measure.claim(channel, "missing");
          try (var _ = LogRequest.of(request.id())) {
            LOG.warn(
                "Request {} is not recorded (any more) and ends without a result", request.id());
          }
          pending.finish(request.id());
        }
        case null ->
            throw new IllegalStateException("no claim came back for request " + request.id());
      }
    }
  }

  private void unasked(ConsumedRequest request) {
    measure.claim(queue().channel(), "unasked");
    try (var _ = LogRequest.of(request.id())) {
      LOG.warn(
          "Request {} was lost with the server that had it, and is as if it had never been asked",
          request.id());
    }
    pending.finish(request.id());
  }

  private void begin(ConsumedRequest request, A attempt) {
    var refusal = request.refusal();
    if (refusal != null) {
      end(request, attempt, new EndReason.NotExecuted(refusal));
      return;
    }
    handler.begin(request, attempt).ifPresent(execution -> run.begin(pending, request, execution));
  }

  private void end(ConsumedRequest request, A attempt, EndReason reason) {
    handler
        .end(request, attempt, reason)
        .ifPresent(execution -> run.begin(pending, request, execution));
  }

  private void endUnclaimable(ConsumedRequest request, String sqlState) {
    try (var _ = LogRequest.of(request.id())) {
      LOG.error("Request {} cannot be claimed ({}) and ends as failed", request.id(), sqlState);
      if (request.refusal() != null) {
        // nobody can say whether it has a result
        pending.finish(request.id());
        return;
      }
      var reason = new EndReason.Unclaimable(sqlState);
      switch (handler.claimToEnd(request, timeline)) {
        case Claim.Claimed<A>(var attempt) -> end(request, attempt, reason);
        case Claim.Own<A>(var attempt) -> end(request, attempt, reason);
        case Claim.Refused<A>(var attempt) -> end(request, attempt, new EndReason.Refused());
        case Claim.Held<A> _ -> pending.heldElsewhere(request);
        case Claim.Answered<A> _ -> pending.finish(request.id());
        case Claim.Unasked<A> _ -> unasked(request);
        case Claim.Missing<A> _ -> pending.finish(request.id());
      }
    } catch (SQLException e) {
      putBack(List.of(request.id()));
      waitForDatabase(e);
    }
  }
}
