package org.pgoffload.worker.sql;

import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.SqlError;
import org.pgoffload.worker.delivery.Claim;
import org.pgoffload.worker.delivery.ConsumedRequest;
import org.pgoffload.worker.delivery.EndReason;
import org.pgoffload.worker.delivery.PendingListener;
import org.pgoffload.worker.delivery.PendingRequests;
import org.pgoffload.worker.delivery.RequestEnd;
import org.pgoffload.worker.delivery.RequestHandler;
import org.pgoffload.worker.delivery.RequestQueue;
import org.pgoffload.worker.sql.scheduling.TaskScheduler;
import org.pgoffload.worker.sql.sessions.SqlClaim;
import org.pgoffload.worker.sql.sessions.SqlTask;

/// Executes background SQL. What may begin is chosen within the limits of roles and sessions; what
/// has to wait is recorded, so that it can be listed and cancelled.
final class SqlRequestHandler implements RequestHandler<SqlClaim> {
  private static final int BATCH = 500;

  /// For what is cancelled to be rolled back.
  private static final Duration AFTER_CANCELLING = Duration.ofSeconds(2);

  /// From its publication on; what is not recorded by then has been removed.
  private static final Duration VISIBLE_WITHIN = Duration.ofMinutes(10);

  /// The database decides what has expired; what we know of its clock, only when to ask it.
  private static final Duration CLOCK_DIFFERENCE = Duration.ofMillis(500);

  /// protocol_violation.
  private static final String NOT_UNDERSTOOD = "08P01";

  private final RequestQueue queue;
  private final InstantSource clock;
  private final TaskScheduler scheduler;
  private final TaskRecords records;
  private final RunTask runTask;
  private final RunningTasks tasks;
  private final ObeySqlCommands commands;
  private final PendingRequests pending;

  /// How tasks are run and cancelled.
  record Work(RunTask run, RunningTasks tasks, ObeySqlCommands commands) {}

  SqlRequestHandler(
      RequestQueue queue,
      InstantSource clock,
      TaskScheduler scheduler,
      TaskRecords records,
      Work work) {
    this.queue = queue;
    this.clock = clock;
    this.scheduler = scheduler;
    this.records = records;
    this.runTask = work.run();
    this.tasks = work.tasks();
    this.commands = work.commands();
    this.pending = new PendingRequests(PendingListener.of(scheduler, this::schedule));
  }

  @Override
  public RequestQueue queue() {
    return queue;
  }

  /// Where its requests count as unfinished.
  PendingRequests pending() {
    return pending;
  }

  private void schedule(ConsumedRequest request) {
    scheduler.add(SqlTask.of(request.envelope()));
    if (request.refusal() != null || tasks.isCancelled(request.id())) {
      scheduler.end(request.id());
    }
  }

  @Override
  public TaskScheduler scheduler() {
    return scheduler;
  }

  /// The limits are the scheduler's.
  @Override
  public int room() {
    return BATCH;
  }

  @Override
  public List<Long> mayBegin(int atMost) {
    return scheduler.choose(atMost, clock.instant().minus(CLOCK_DIFFERENCE));
  }

  @Override
  public Map<Long, Claim<SqlClaim>> claim(List<ConsumedRequest> requests, @Nullable UUID timeline)
      throws SQLException {
    var claims = records.claim(requests.stream().map(this::toClaim).toList(), timeline);
    // one that was recorded while the claim was under way did not see the claim, nor the claim it
    commands.obeyEarly(
        requests.stream()
            .filter(request -> !(claims.get(request.id()) instanceof Claim.Missing))
            .toList());
    for (var request : requests) {
      if (claims.get(request.id()) instanceof Claim.Missing && mayBecomeVisible(request)) {
        claims.put(request.id(), new Claim.Held<>());
      }
    }
    return claims;
  }

  /// Of a request that the database does not take, only the readers of the topic are told.
  @Override
  public Claim<SqlClaim> claimToEnd(ConsumedRequest request, @Nullable UUID timeline) {
    return new Claim.Claimed<>(SqlClaim.none(request.envelope().createdAt()));
  }

  @Override
  public Optional<Execution> publishStanding(ConsumedRequest request) {
    return Optional.of(() -> runTask.publishStanding(request.id()));
  }

  @Override
  public Optional<Execution> begin(ConsumedRequest request, SqlClaim claim) {
    var task = SqlTask.of(request.envelope());
    var running = tasks.begin(task, clock.instant());
    return Optional.of(() -> {
      try {
        return runTask.run(task, claim, running);
      } finally {
        tasks.end(task, running);
      }
    });
  }

  @Override
  public Optional<Execution> end(ConsumedRequest request, SqlClaim claim, EndReason reason) {
    return switch (reason) {
      case EndReason.NotExecuted(var refusal) -> begin(request, endedBy(refusal, claim));
      // the claim says how it ends
      case EndReason.Refused _ -> begin(request, claim);
      case EndReason.Unclaimable(var sqlState) ->
          Optional.of(() -> {
            runTask.endUnclaimable(SqlTask.of(request.envelope()), claim, sqlState);
            return RequestEnd.FINISHED;
          });
    };
  }

  @Override
  public Duration stop() {
    tasks.leaveAll();
    return AFTER_CANCELLING;
  }

  @Override
  public void record(List<ConsumedRequest> requests) throws SQLException {
    records.recordRequests(requests.stream().map(ConsumedRequest::signedText).toList());
    commands.obeyEarly(requests);
  }

  private TaskRecords.ToClaim toClaim(ConsumedRequest request) {
    return new TaskRecords.ToClaim(
        request.envelope().key(),
        pending.isRecorded(request) ? null : request.signedText(),
        request.mayBeLost());
  }

  private static SqlClaim endedBy(ConsumedRequest.Refusal refusal, SqlClaim claim) {
    var ending = claim.ending();
    // that it was cancelled, or what an earlier attempt may have done, says more
    if (ending != null && !ending.status().equals(Result.EXPIRED)) {
      return claim;
    }
    return claim.endedWith(
        new SqlClaim.Ending(
            Result.FAILED,
            SqlError.of(
                NOT_UNDERSTOOD,
                "the request was not executed: " + refusal.reason().code(),
                refusal.detail(),
                "It is kept with the dead letters: " + ConsumedRequest.HINT + ".")));
  }

  /// A transaction is decoded and published as soon as its commit is flushed, and visible to others
  /// only after that: moments later, or once a standby has it, where commits wait for one.
  private boolean mayBecomeVisible(ConsumedRequest request) {
    return Duration.between(Instant.ofEpochMilli(request.record().timestamp()), clock.instant())
            .compareTo(VISIBLE_WITHIN)
        < 0;
  }
}
