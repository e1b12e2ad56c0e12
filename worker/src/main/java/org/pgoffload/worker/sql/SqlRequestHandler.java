package org.pgoffload.worker.sql;

import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Halving;
import org.pgoffload.protocol.RequestChannel;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.SqlError;
import org.pgoffload.telemetry.LogRequest;
import org.pgoffload.worker.delivery.ConsumedRequest;
import org.pgoffload.worker.delivery.EarlyCancellations;
import org.pgoffload.worker.delivery.MeasureRequests;
import org.pgoffload.worker.delivery.PendingRequests;
import org.pgoffload.worker.delivery.RequestHandler;
import org.pgoffload.worker.delivery.RunRequests;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Executes background SQL. What may begin is chosen within the limits of roles and sessions; what
/// has to wait is recorded, so that it can be listed and cancelled.
public final class SqlRequestHandler implements RequestHandler {
  private static final Logger LOG = LoggerFactory.getLogger(SqlRequestHandler.class);

  /// Many may wait for one role's or session's turn, and those of others behind them may not.
  private static final int WINDOW = 10_000;

  private static final int BATCH = 500;

  /// A fiftieth of the time that nothing has begun, within these: who waits long can wait a little
  /// longer.
  private static final Duration LEAST_POLL = Duration.ofMillis(2);

  private static final Duration MOST_POLL = Duration.ofMillis(50);

  /// For what is cancelled to be rolled back.
  private static final Duration AFTER_CANCELLING = Duration.ofSeconds(2);

  /// From its publication on; what is not recorded by then has been removed.
  private static final Duration VISIBLE_WITHIN = Duration.ofMinutes(10);

  /// The database decides what has expired; what we know of its clock, only when to ask it.
  private static final Duration CLOCK_DIFFERENCE = Duration.ofMillis(500);

  /// protocol_violation.
  private static final String NOT_UNDERSTOOD = "08P01";

  private final String topic;
  private final InstantSource clock;
  private final TaskScheduler choose;
  private final TaskRecords records;
  private final RunTask runTask;
  private final RunningTasks tasks;
  private final RunRequests run;
  private final PendingRequests unfinished;
  private final EarlyCancellations cancellations;
  private final MeasureRequests measure;
  private final Map<Long, ConsumedRequest> unrecorded = new LinkedHashMap<>();
  private final Set<Long> recorded = new HashSet<>();
  private long lastBeginning = System.nanoTime();

  public SqlRequestHandler(
      String topic,
      InstantSource clock,
      TaskScheduler choose,
      TaskRecords records,
      RunTask runTask,
      RunningTasks tasks,
      RunRequests run,
      PendingRequests unfinished,
      EarlyCancellations cancellations,
      MeasureRequests measure) {
    this.topic = topic;
    this.clock = clock;
    this.choose = choose;
    this.records = records;
    this.runTask = runTask;
    this.tasks = tasks;
    this.run = run;
    this.unfinished = unfinished;
    this.cancellations = cancellations;
    this.measure = measure;
  }

  @Override
  public String topic() {
    return topic;
  }

  @Override
  public RequestChannel kinds() {
    return RequestChannel.SQL;
  }

  @Override
  public void received(ConsumedRequest request) {
    measure.arrived(request);
    if (!unfinished.received(request)) {
      return;
    }
    choose.add(SqlTask.of(request.envelope()));
    if (request.refusal() != null || tasks.isCancelled(request.id())) {
      choose.end(request.id());
    }
    if (request.envelope().immediate()) {
      unrecorded.put(request.id(), request);
    }
    lastBeginning = System.nanoTime();
  }

  @Override
  public int window() {
    return WINDOW;
  }

  @Override
  public Optional<Duration> pollWhileWaiting() {
    if (!choose.hasWaiting()) {
      return Optional.empty();
    }
    var pause = Duration.ofNanos((System.nanoTime() - lastBeginning) / 50);
    if (pause.compareTo(LEAST_POLL) < 0) {
      return Optional.of(LEAST_POLL);
    }
    return Optional.of(pause.compareTo(MOST_POLL) > 0 ? MOST_POLL : pause);
  }

  /// The limits are those of the choice.
  @Override
  public int claimable() {
    return BATCH;
  }

  @Override
  public List<ConsumedRequest> mayBegin(int atMost) {
    var requests = new ArrayList<ConsumedRequest>();
    for (long id : choose.choose(atMost, clock.instant().minus(CLOCK_DIFFERENCE))) {
      unfinished.waitingOf(id).ifPresent(requests::add);
    }
    return requests;
  }

  @Override
  public void claim(List<ConsumedRequest> requests) throws SQLException {
    Map<Long, SqlClaim> claims;
    try {
      claims = records.claim(requests.stream().map(this::toClaim).toList());
    } catch (SQLException e) {
      if (!DatabaseFault.isDataError(e)) {
        requests.forEach(request -> choose.putBack(request.id()));
      }
      throw e;
    }
    lastBeginning = System.nanoTime();
    for (var request : requests) {
      forgetRecording(request.id());
      switch (claims.get(request.id())) {
        case SqlClaim.Claimed claimed -> {
          measure.claimed(kinds(), request, claimed.attempt(), claimed.claimedAt());
          begin(request, unlessRefused(request, claimed));
        }
        case SqlClaim.Answered _ -> {
          measure.claim(kinds(), "answered");
          choose.running(request.id());
          run.begin(
              unfinished, request, () -> finished(request, runTask.publishStanding(request.id())));
        }
        case SqlClaim.Held _ -> setAside(request);
        case SqlClaim.Missing _ when mayBecomeVisible(request) -> setAside(request);
        case SqlClaim.Missing _ -> {
          measure.claim(kinds(), "missing");
          try (var _ = LogRequest.of(request.id())) {
            LOG.warn(
                "Request {} is not recorded (any more) and ends without a result", request.id());
          }
          choose.finished(request.id());
          unfinished.finish(request.id());
        }
        case null ->
            throw new IllegalStateException("no claim came back for request " + request.id());
      }
    }
  }

  @Override
  public void endUnclaimable(ConsumedRequest request, String sqlState) {
    forgetRecording(request.id());
    if (request.refusal() != null) {
      // nobody can say whether it has a result
      choose.finished(request.id());
      unfinished.finish(request.id());
      return;
    }
    choose.running(request.id());
    run.begin(
        unfinished,
        request,
        () -> {
          runTask.endUnclaimable(SqlTask.of(request.envelope()), sqlState);
          return finished(request, RunTask.End.FINISHED);
        });
  }

  @Override
  public void recordWaiting() throws SQLException {
    while (!unrecorded.isEmpty()) {
      Halving.run(
          unrecorded.values().stream().limit(BATCH).toList(),
          this::record,
          // its claim will fail, and end it
          (request, _) -> unrecorded.remove(request.id()));
    }
  }

  @Override
  public void drain(Duration patience) {
    if (!run.finishWithin(patience)) {
      tasks.leaveAll();
      var _ = run.finishWithin(AFTER_CANCELLING);
    }
    run.leaveTheRest();
  }

  /// A request that waits here is cancelled: it is to be claimed, which ends it.
  ///
  /// Safe to call on any thread.
  void cancelled(long id) {
    choose.end(id);
  }

  private void record(List<ConsumedRequest> requests) throws SQLException {
    records.recordRequests(requests.stream().map(ConsumedRequest::signedText).toList());
    var ids = new ArrayList<Long>();
    var byOids = new ArrayList<Long>();
    for (var request : requests) {
      long id = request.id();
      unrecorded.remove(id);
      recorded.add(id);
      for (long by : cancellations.of(id)) {
        ids.add(id);
        byOids.add(by);
      }
    }
    if (!ids.isEmpty()) {
      for (long id : records.recordCancellations(ids, byOids)) {
        tasks.cancel(id);
        choose.end(id);
      }
    }
  }

  private TaskRecords.ToClaim toClaim(ConsumedRequest request) {
    boolean isKnown = !request.envelope().immediate() || recorded.contains(request.id());
    return new TaskRecords.ToClaim(request.id(), isKnown ? null : request.signedText());
  }

  private void forgetRecording(long id) {
    unrecorded.remove(id);
    recorded.remove(id);
  }

  private static SqlClaim.Claimed unlessRefused(ConsumedRequest request, SqlClaim.Claimed claimed) {
    var refusal = request.refusal();
    var ending = claimed.ending();
    // that it was cancelled, or what an earlier attempt may have done, says more
    if (refusal == null || (ending != null && !ending.status().equals(Result.EXPIRED))) {
      return claimed;
    }
    return claimed.endedWith(
        new SqlClaim.Ending(
            Result.FAILED,
            SqlError.of(
                NOT_UNDERSTOOD,
                "the request was not executed: " + refusal.reason().code(),
                refusal.detail(),
                "It is kept with the dead letters: " + ConsumedRequest.HINT + ".")));
  }

  private void begin(ConsumedRequest request, SqlClaim.Claimed claimed) {
    var task = SqlTask.of(request.envelope());
    choose.running(task.id());
    var running = tasks.begin(task, clock.instant());
    run.begin(
        unfinished,
        request,
        () -> {
          RunTask.End end;
          try {
            end = runTask.run(task, claimed, running);
          } finally {
            tasks.end(task.id());
          }
          return finished(request, end);
        });
  }

  private boolean finished(ConsumedRequest request, RunTask.End end) {
    return switch (end) {
      case FINISHED -> {
        choose.finished(request.id());
        yield true;
      }
      case HELD -> {
        setAside(request);
        yield false;
      }
    };
  }

  /// A transaction is decoded and published as soon as its commit is flushed, and visible to others
  /// only after that: moments later, or once a standby has it, where commits wait for one.
  private boolean mayBecomeVisible(ConsumedRequest request) {
    return Duration.between(Instant.ofEpochMilli(request.record().timestamp()), clock.instant())
            .compareTo(VISIBLE_WITHIN)
        < 0;
  }

  private void setAside(ConsumedRequest request) {
    choose.held(request.id());
    unfinished.heldElsewhere(request);
  }
}
