package org.pgoffload.worker.sql;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.sql.SQLException;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.worker.sql.rows.DescribeColumns;
import org.pgoffload.worker.sql.rows.GatherRows;
import org.pgoffload.worker.sql.rows.ResultsTopic;
import org.pgoffload.worker.sql.sessions.RunningTask;
import org.pgoffload.worker.sql.sessions.SqlClaim;
import org.pgoffload.worker.sql.sessions.SqlTask;
import org.pgoffload.worker.sql.sessions.StoppedException;
import org.pgoffload.worker.sql.sessions.TaskSession;
import org.pgoffload.worker.sql.sessions.TaskSessions;
import org.pgoffload.worker.sql.statements.RefusedStatement;
import org.pgoffload.worker.sql.statements.SplitStatements;
import org.pgoffload.worker.sql.statements.SqlStatement;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One attempt at a task on one session: everything in one transaction, whose last act records the
/// result. Another result is recorded before the session is left, so that a reader who waits for
/// the task's lock finds it.
///
/// For one thread.
final class AttemptTask {
  private static final Logger LOG = LoggerFactory.getLogger(AttemptTask.class);

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final TypeReference<Map<String, String>> SETTINGS = new TypeReference<>() {};

  private final SqlTask task;
  private final SqlClaim claim;
  private final TaskSession session;
  private final RunningTask running;
  private final TaskSessions sessions;
  private final TaskRecords records;
  private final RecordResult record;
  private final DescribeResult describe;
  private final GatherNotices notices = new GatherNotices();
  private final ExecuteStatements execute;
  private GatherRows rows;
  private final ResultsTopic topic;
  private @Nullable SqlStatement current;
  private boolean outsideTransaction;

  AttemptTask(
      SqlTask task,
      SqlClaim claim,
      TaskSession session,
      RunningTask running,
      Tools tools,
      DescribeResult describe) {
    this.task = task;
    this.claim = claim;
    this.session = session;
    this.running = running;
    this.sessions = tools.sessions;
    this.records = tools.records;
    this.record = tools.record;
    this.topic = tools.topic;
    this.describe = describe;
    this.execute = new ExecuteStatements(session.connection(), notices, tools.columns);
    this.rows = gather();
  }

  private GatherRows gather() {
    return new GatherRows(
        task,
        claim.attempt(),
        topic,
        (number, columns, ends) ->
            UntilAnswered.ask(
                task.id(), () -> records.storeRows(task.id(), claim, number, columns, ends)),
        running);
  }

  /// What all attempts share.
  record Tools(
      TaskSessions sessions,
      TaskRecords records,
      RecordResult record,
      ResultsTopic topic,
      DescribeColumns columns) {}

  /// Runs it. The transaction is over then, or the session is broken.
  ///
  /// @throws InterruptedException if the worker is closing: the transaction is not committed
  TaskOutcome run() throws InterruptedException {
    try {
      EndSessions.run(session.connection(), task.id(), claim.sessions());
      session.enter(task, claim);
    } catch (SQLException e) {
      return cannotBegin(e);
    }
    try {
      running.entered(session, claim.attempt());
      try {
        return execute();
      } finally {
        running.left();
      }
    } catch (StoppedException e) {
      return stopped(e.reason());
    } catch (SQLException e) {
      return failed(e);
    } finally {
      rows.close();
    }
  }

  /// A session that cannot begin this task can begin no other: it is closed. Its role may have been
  /// dropped, or have lost its rights, since an earlier task: whether it has, a new login tells.
  private TaskOutcome cannotBegin(SQLException fault) throws InterruptedException {
    try {
      return session.isUsed() && isOfTheRole(fault) ? new TaskOutcome.NotBegun() : failed(fault);
    } finally {
      session.close();
    }
  }

  private static boolean isOfTheRole(SQLException fault) {
    // it lacks a right; it does not exist
    return DatabaseFault.is(fault, DatabaseFault.INSUFFICIENT_PRIVILEGE)
        || DatabaseFault.is(fault, DatabaseFault.UNDEFINED_OBJECT);
  }

  private TaskOutcome execute() throws SQLException, InterruptedException, StoppedException {
    var statements = SplitStatements.of(task.command().sql(), session.standardConformingStrings());
    RefusedStatement.check(statements);
    for (int i = 0; i < statements.size(); i++) {
      running.goOn();
      current = statements.get(i);
      try {
        execute.execute(current, i == statements.size() - 1 ? rows : null);
      } catch (SQLException e) {
        if (statements.size() == 1 && OutsideTransaction.isNeeded(e, current)) {
          return executeOutsideTransaction(current);
        }
        throw e;
      }
    }
    current = null;
    var result = succeeded();
    running.goOn();
    var completion = session.complete(task, claim, DescribeResult.text(result), execute.tags());
    var readUnder = result.withReadUnder(settings(completion.readUnder()));
    return completion.recorded()
        ? new TaskOutcome.Recorded(readUnder)
        : record.record(readUnder, describe);
  }

  /// The server has refused the transaction block; what ran is rolled back. From here on a lost
  /// session leaves an unknown outcome, which is marked first.
  private TaskOutcome executeOutsideTransaction(SqlStatement statement)
      throws SQLException, InterruptedException, StoppedException {
    session.rollback();
    // the tasks that the first try has launched are counted in prepared statements: this one is to
    // find them again
    session.deallocateAll();
    running.goOn();
    if (!UntilAnswered.ask(task.id(), () -> records.markAutocommit(task.id(), claim.attempt()))) {
      return new TaskOutcome.Superseded();
    }
    running.goOn();
    rows.close();
    rows = gather();
    outsideTransaction = true;
    try {
      return succeededOutsideTransaction(execute.executeOutsideTransaction(statement));
    } catch (StoppedException e) {
      // only its rows are on their way: it has taken effect
      if (e.reason() == RunningTask.Stop.CLOSING) {
        throw new InterruptedException("closing");
      }
      return new TaskOutcome.Unknown(session.identity());
    }
  }

  /// It has taken effect: nothing can make it a failure any more, not even a result that the
  /// database does not take, as after a crash that has lost its rows.
  private TaskOutcome succeededOutsideTransaction(ExecuteStatements.Returned returned)
      throws InterruptedException, StoppedException {
    running.left();
    try {
      execute.gather(returned, rows);
      var result = succeeded();
      return record.tryRecord(result.withReadUnder(settings(session.leave())));
    } catch (SQLException e) {
      LOG.warn("What request {} returned cannot be recorded ({})", task.id(), e.getSQLState());
      return new TaskOutcome.Unknown(session.identity());
    }
  }

  private SqlResult succeeded() throws SQLException, InterruptedException, StoppedException {
    return describe.succeeded(execute.tags(), execute.columns(), rows.end(), notices.all());
  }

  private TaskOutcome stopped(RunningTask.Stop reason) throws InterruptedException {
    endTransaction();
    if (reason == RunningTask.Stop.CLOSING) {
      throw new InterruptedException("closing");
    }
    return record.record(describe.stopped(reason, execute.tags(), notices.all()), describe);
  }

  private TaskOutcome failed(SQLException fault) throws InterruptedException {
    if (Thread.currentThread().isInterrupted()) {
      throw new InterruptedException("closing");
    }
    endTransaction();
    var reason = running.stopped();
    if (reason.isPresent()
        && (reason.get() == RunningTask.Stop.CLOSING
            || DatabaseFault.is(fault, DatabaseFault.QUERY_CANCELED))
        // the next worker could not run it again, and would not know what became of it
        && !(outsideTransaction && reason.get() == RunningTask.Stop.CLOSING)) {
      return stopped(reason.get());
    }
    if (isLost(fault)) {
      LOG.warn(
          "The session of request {} (pid {}) was lost: {}",
          task.id(),
          session.identity().pid(),
          fault.getSQLState());
      if (outsideTransaction) {
        return new TaskOutcome.Unknown(session.identity());
      }
      return running.attempt() == claim.attempt()
          ? new TaskOutcome.Lost(session.identity())
          : new TaskOutcome.NotBegun();
    }
    // Being superseded is a failure too, whose result is not taken: its SQLSTATE alone proves
    // nothing, since a task may raise it itself.
    return record.record(
        describe.failed(DescribeError.of(fault, current), execute.tags(), notices.all()), describe);
  }

  private void endTransaction() {
    try {
      session.rollback();
    } catch (SQLException e) {
      // it is over with the connection
      session.close();
    }
  }

  /// Whether the session is gone without the task's own doing.
  private boolean isLost(SQLException fault) throws InterruptedException {
    if (!session.isBroken()
        || fault instanceof RefusedStatement
        || DescribeError.isUnreadableSetting(fault)) {
      return false;
    }
    if (DescribeError.server(fault) == null || endedWhileItRested()) {
      return true;
    }
    return switch (String.valueOf(fault.getSQLState())) {
      // another backend's crash; a server that is not there for anybody
      case "57P02", "57P03" -> true;
      default -> isEndedFromElsewhere();
    };
  }

  /// What ended the session of an earlier task is not the doing of one that has not begun.
  private boolean endedWhileItRested() {
    return session.isUsed() && running.attempt() != claim.attempt();
  }

  /// The server has ended the session with an error of its own: the task's, unless it ended all
  /// sessions, or a takeover has ended it for an earlier task. A new one tells: while the server
  /// stops it lets nobody in.
  private boolean isEndedFromElsewhere() throws InterruptedException {
    try (var other = sessions.open(session.login())) {
      return !other.serverStarted().equals(session.serverStarted())
          || records.isTakenOver(session.identity(), task.id());
    } catch (SQLException e) {
      if (Thread.currentThread().isInterrupted()) {
        throw new InterruptedException("closing");
      }
      return DatabaseFault.isTransient(e);
    }
  }

  private static Map<String, String> settings(String json) throws SQLException {
    try {
      return JSON.readValue(json, SETTINGS);
    } catch (JsonProcessingException e) {
      throw new SQLException("pgoffload.leave_task returned no JSON of settings", "XX000", e);
    }
  }
}
