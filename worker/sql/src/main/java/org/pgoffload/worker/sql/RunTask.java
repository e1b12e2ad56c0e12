package org.pgoffload.worker.sql;

import java.sql.SQLException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.protocol.SqlError;
import org.pgoffload.telemetry.FaultPlace;
import org.pgoffload.worker.delivery.RequestEnd;
import org.pgoffload.worker.sql.rows.DescribeColumns;
import org.pgoffload.worker.sql.rows.ResultsTopic;
import org.pgoffload.worker.sql.sessions.RunningTask;
import org.pgoffload.worker.sql.sessions.SqlClaim;
import org.pgoffload.worker.sql.sessions.SqlTask;
import org.pgoffload.worker.sql.sessions.TaskSession;
import org.pgoffload.worker.sql.sessions.TaskSessions;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Runs a claimed task to its one result: again on a new session when one was lost, and with the
/// database deciding which result stands.
///
/// Stateless; safe to share between threads. Made to be called on a virtual thread for each task.
public final class RunTask {
  private static final Logger LOG = LoggerFactory.getLogger(RunTask.class);

  private static final int MOST_LOST_SESSIONS = 3;
  private static final Duration PAUSE = Duration.ofMillis(200);

  private final TaskSessions sessions;
  private final TaskRecords records;
  private final ResultsTopic topic;
  private final String worker;
  private final InstantSource clock;
  private final RecordResult record;
  private final LogIn logins;
  private final AttemptTask.Tools tools;

  /// @param worker its name, shown in results
  public RunTask(
      TaskSessions sessions,
      TaskRecords records,
      ResultsTopic topic,
      String worker,
      InstantSource clock) {
    this.sessions = sessions;
    this.records = records;
    this.topic = topic;
    this.worker = worker;
    this.clock = clock;
    this.record = new RecordResult(records);
    this.logins = new LogIn(sessions, records);
    this.tools = new AttemptTask.Tools(sessions, records, record, topic, new DescribeColumns());
  }

  /// Runs a task, or ends it as its claim says, and publishes its result.
  ///
  /// @throws InterruptedException if the worker is closing: nothing is committed that is not
  ///   recorded, and the next worker takes the task over
  public RequestEnd run(SqlTask task, SqlClaim claim, RunningTask running)
      throws InterruptedException {
    var current = claim;
    int lost = 0;
    while (true) {
      var describe = new DescribeResult(task, current, worker, clock);
      switch (attemptGuarded(task, current, running, describe)) {
        case TaskOutcome.Final ended -> {
          return publish(task.id(), ended);
        }
        case TaskOutcome.NotBegun _ -> Thread.sleep(PAUSE);
        case TaskOutcome.Unknown unknown -> {
          endSessions(task, List.of(unknown.session()));
          return publish(task.id(), record.record(describe.unknown(), describe));
        }
        case TaskOutcome.Lost last -> {
          lost++;
          if (lost > MOST_LOST_SESSIONS) {
            endSessions(task, List.of(last.session()));
            return publish(task.id(), record.record(describe.lost(), describe));
          }
          var again = claimAgain(task.id(), current.attempt());
          if (again.isEmpty()) {
            // its commit may have been under way
            return publishStanding(task.id());
          }
          current = current.again(again.get(), last.session());
        }
      }
    }
  }

  private RequestEnd publish(long id, TaskOutcome.Final outcome) throws InterruptedException {
    return switch (outcome) {
      case TaskOutcome.Recorded recorded -> {
        topic.publish(recorded.result());
        yield RequestEnd.FINISHED;
      }
      case TaskOutcome.Superseded _ -> publishStanding(id);
      case TaskOutcome.Unrecordable _ -> RequestEnd.FINISHED;
    };
  }

  /// Publishes the result that stands, if there is one: it may have been recorded and not
  /// published.
  ///
  /// @throws InterruptedException if the worker is closing
  public RequestEnd publishStanding(long id) throws InterruptedException {
    Optional<String> message;
    try {
      message = UntilAnswered.ask(id, () -> records.resultMessage(id));
    } catch (SQLException e) {
      LOG.error("The result of request {} could not be read ({})", id, e.getSQLState());
      return RequestEnd.HELD;
    }
    if (message.isEmpty()) {
      return RequestEnd.HELD;
    }
    topic.publish(id, message.get());
    return RequestEnd.FINISHED;
  }

  /// Publishes the failure of a request that the database will not let anybody claim.
  ///
  /// @throws InterruptedException if the worker is closing
  void endUnclaimable(SqlTask task, SqlClaim claim, String sqlState) throws InterruptedException {
    topic.publish(
        new DescribeResult(task, claim, worker, clock)
            .failed(
                SqlError.of(
                    "XX000",
                    "the database refused to have the request claimed, with SQLSTATE " + sqlState,
                    null,
                    null),
                List.of(),
                null));
  }

  private Optional<SqlClaim.Again> claimAgain(long id, int lostAttempt)
      throws InterruptedException {
    try {
      return UntilAnswered.ask(id, () -> records.claimAgain(id, lostAttempt));
    } catch (SQLException e) {
      LOG.error("Request {} could not be claimed again ({})", id, e.getSQLState());
      return Optional.empty();
    }
  }

  private TaskOutcome attemptGuarded(
      SqlTask task, SqlClaim claim, RunningTask running, DescribeResult describe)
      throws InterruptedException {
    try {
      return attempt(task, claim, running, describe);
    } catch (RuntimeException | Error e) {
      // An error too: this thread is all that knows the request, and it would wait for ever.
      LOG.error(
          "Request {} met a fault of the worker and ends as failed: {}",
          task.id(),
          FaultPlace.of(e));
      return record.record(describe.failed(fault(), List.of(), null), describe);
    }
  }

  private TaskOutcome attempt(
      SqlTask task, SqlClaim claim, RunningTask running, DescribeResult describe)
      throws InterruptedException {
    var ending = claim.ending();
    if (ending != null) {
      endSessions(task, claim.sessions());
      return record.record(describe.ended(ending), describe);
    }
    return switch (logins.logIn(task, claim.attempt(), running)) {
      case LogIn.Attempted.LoggedIn in -> runOn(in.session(), task, claim, running, describe);
      case LogIn.Attempted.Refused refused ->
          record.record(describe.failed(refused.error(), List.of(), null), describe);
      case LogIn.Attempted.Stopped stopped -> {
        if (stopped.reason() == RunningTask.Stop.CLOSING) {
          throw new InterruptedException("closing");
        }
        endSessions(task, claim.sessions());
        yield record.record(describe.stopped(stopped.reason(), List.of(), null), describe);
      }
    };
  }

  private TaskOutcome runOn(
      TaskSession session,
      SqlTask task,
      SqlClaim claim,
      RunningTask running,
      DescribeResult describe)
      throws InterruptedException {
    boolean ended = false;
    running.uses(session);
    try {
      var outcome = new AttemptTask(task, claim, session, running, tools, describe).run();
      ended = true;
      return outcome;
    } finally {
      if (!ended) {
        session.close();
      }
      sessions.giveBack(session, task.scheduling().depth());
      running.uses(null);
    }
  }

  /// On a session apart: those of the pool may all be in use.
  private void endSessions(SqlTask task, List<SqlClaim.EarlierSession> earlier)
      throws InterruptedException {
    if (earlier.isEmpty()) {
      return;
    }
    while (true) {
      try (var session = sessions.open(task.launcher().loginOid())) {
        EndSessions.run(session.connection(), task.id(), earlier);
        return;
      } catch (SQLException e) {
        if (Thread.currentThread().isInterrupted()) {
          throw new InterruptedException("closing, before earlier sessions had ended");
        }
        if (!DatabaseFault.isTransient(e)) {
          LOG.warn(
              "The sessions of earlier attempts at request {} cannot be ended ({}); what they do is"
                  + " not recorded",
              task.id(),
              e.getSQLState());
          return;
        }
      }
      Thread.sleep(PAUSE);
    }
  }

  private static SqlError fault() {
    return SqlError.of(
        "XX000",
        "the worker met a fault of its own; its log has the place under this id",
        null,
        null);
  }
}
