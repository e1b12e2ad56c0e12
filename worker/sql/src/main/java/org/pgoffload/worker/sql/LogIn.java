package org.pgoffload.worker.sql;

import java.io.IOException;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.time.Duration;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.protocol.SqlError;
import org.pgoffload.worker.sql.sessions.RunningTask;
import org.pgoffload.worker.sql.sessions.SqlTask;
import org.pgoffload.worker.sql.sessions.TaskLogin;
import org.pgoffload.worker.sql.sessions.TaskSession;
import org.pgoffload.worker.sql.sessions.TaskSessions;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Gets a session for a task. While the database is away it waits; while it has no room, for a
/// while. What the task waits for is recorded, for its launcher to see.
///
/// Stateless; safe to share between threads.
final class LogIn {
  private static final Logger LOG = LoggerFactory.getLogger(LogIn.class);

  private static final Duration LOOK_EVERY = Duration.ofMillis(200);
  private static final Duration PAUSE = Duration.ofMillis(200);

  /// How long a server that is full, or a certificate that does not serve, is tried again.
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  /// A wait for a session of this worker's that is shorter is not worth a record.
  private static final Duration WORTH_TELLING = Duration.ofSeconds(1);

  private final TaskSessions sessions;
  private final TaskRecords records;

  LogIn(TaskSessions sessions, TaskRecords records) {
    this.sessions = sessions;
    this.records = records;
  }

  /// What came of it.
  sealed interface Attempted {
    record LoggedIn(TaskSession session) implements Attempted {}

    /// The role cannot be logged in as.
    record Refused(SqlError error) implements Attempted {}

    /// The task was stopped meanwhile.
    record Stopped(RunningTask.Stop reason) implements Attempted {}
  }

  private enum Fault {
    AWAY,
    MAY_PASS,
    FINAL
  }

  /// @param attempt of the claim
  /// @throws InterruptedException if the worker is closing
  Attempted logIn(SqlTask task, int attempt, RunningTask running) throws InterruptedException {
    long begun = System.nanoTime();
    String told = null;
    while (true) {
      var stopped = running.stopped();
      if (stopped.isPresent()) {
        return new Attempted.Stopped(stopped.get());
      }
      try {
        var session =
            sessions.borrow(task.launcher().loginOid(), task.scheduling().depth(), LOOK_EVERY);
        if (session.isPresent()) {
          return new Attempted.LoggedIn(session.get());
        }
        if (hasPassed(WORTH_TELLING, begun)) {
          told =
              tell(task.id(), attempt, "all sessions of the worker for its role are in use", told);
        }
        continue;
      } catch (SQLException e) {
        if (Thread.currentThread().isInterrupted()) {
          throw new InterruptedException("closing, before a session was there");
        }
        var fault = fault(e);
        if (fault == Fault.FINAL || (fault == Fault.MAY_PASS && hasPassed(PATIENCE, begun))) {
          return new Attempted.Refused(refusal(task.launcher().loginOid(), e));
        }
        if (told == null) {
          LOG.warn(
              "Request {} waits, because the database has no session for it: {}",
              task.id(),
              e.getMessage());
        }
        if (DatabaseFault.isOfClass(e, "53")) {
          // another role's session that rests here may be the one that is missing
          sessions.closeIdle();
        }
        told = tell(task.id(), attempt, DatabaseFault.words(e), told);
      }
      Thread.sleep(PAUSE);
    }
  }

  private static boolean hasPassed(Duration time, long since) {
    return System.nanoTime() - since > time.toNanos();
  }

  /// Records what the task waits for, unless it is what was told last. Returns what is told now.
  private String tell(long id, int attempt, String reason, @Nullable String told) {
    if (!reason.equals(told)) {
      try {
        records.recordWait(id, attempt, Texts.cut("waits for a connection: " + reason));
      } catch (SQLException e) {
        LOG.debug("What request {} waits for could not be recorded", id, e);
      }
    }
    return reason;
  }

  private static Fault fault(SQLException fault) {
    if (fault instanceof SQLTransientConnectionException) {
      // no connection of the worker's own: it could not even look the role up
      return Fault.AWAY;
    }
    for (Throwable cause = fault; cause != null; cause = cause.getCause()) {
      if (cause instanceof SSLException || cause instanceof TaskSession.WrongRoleException) {
        return Fault.MAY_PASS;
      }
    }
    if (DatabaseFault.isOfClass(fault, "53")) {
      return Fault.MAY_PASS;
    }
    boolean away =
        fault.getCause() instanceof IOException
            || DatabaseFault.isOfClass(fault, "57P", "08001", "08006", "08003");
    return away ? Fault.AWAY : Fault.FINAL;
  }

  private SqlError refusal(long login, SQLException fault) {
    TaskLogin role = null;
    try {
      role = records.login(login);
    } catch (SQLException e) {
      if (DatabaseFault.is(e, DatabaseFault.UNDEFINED_OBJECT)) {
        return SqlError.of(
            DatabaseFault.UNDEFINED_OBJECT, String.valueOf(e.getMessage()), null, null);
      }
      LOG.debug("The role with OID {} could not be looked up", login, e);
    }
    var name = role == null ? "with OID " + login : "\"" + role.name() + "\"";
    var state = Texts.sqlState(fault.getSQLState(), "28000");
    return SqlError.of(
        // the driver's own: no way of authentication that both know
        state.startsWith("08") ? "28000" : state,
        "the worker cannot log in as role " + name,
        Texts.cut(DatabaseFault.words(fault)),
        AdviseLogin.hint(fault, role, sessions.databaseName()));
  }
}
