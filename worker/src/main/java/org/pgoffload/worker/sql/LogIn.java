package org.pgoffload.worker.sql;

import java.io.IOException;
import java.sql.SQLException;
import java.time.Duration;
import javax.net.ssl.SSLException;
import org.pgoffload.protocol.SqlError;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Gets a session for a task. While the database is away it waits; while it has no room, for a
/// while.
///
/// Stateless; safe to share between threads.
final class LogIn {
  private static final Logger LOG = LoggerFactory.getLogger(LogIn.class);

  private static final Duration LOOK_EVERY = Duration.ofMillis(200);
  private static final Duration PAUSE = Duration.ofMillis(200);

  /// How long a server that is full, or a certificate that does not serve, is tried again.
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final TaskSessions sessions;

  LogIn(TaskSessions sessions) {
    this.sessions = sessions;
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

  /// @param login the role
  /// @throws InterruptedException if the worker is closing
  Attempted logIn(String login, int depth, RunningTask task) throws InterruptedException {
    long begun = System.nanoTime();
    boolean said = false;
    while (true) {
      var stopped = task.stopped();
      if (stopped.isPresent()) {
        return new Attempted.Stopped(stopped.get());
      }
      try {
        var session = sessions.borrow(login, depth, LOOK_EVERY);
        if (session.isPresent()) {
          return new Attempted.LoggedIn(session.get());
        }
        continue;
      } catch (SQLException e) {
        if (Thread.currentThread().isInterrupted()) {
          throw new InterruptedException("closing, before a session was there");
        }
        var fault = fault(e);
        if (fault == Fault.FINAL
            || (fault == Fault.MAY_PASS && System.nanoTime() - begun > PATIENCE.toNanos())) {
          return new Attempted.Refused(refusal(login, e));
        }
        if (!said) {
          said = true;
          LOG.warn(
              "Request {} waits, because the database has no session for it: {}",
              task.id(),
              e.getMessage());
        }
      }
      Thread.sleep(PAUSE);
    }
  }

  private static Fault fault(SQLException fault) {
    for (Throwable cause = fault; cause != null; cause = cause.getCause()) {
      if (cause instanceof SSLException) {
        return Fault.MAY_PASS;
      }
    }
    var state = String.valueOf(fault.getSQLState());
    if (state.startsWith("53")) {
      return Fault.MAY_PASS;
    }
    boolean away =
        fault.getCause() instanceof IOException
            || state.startsWith("57P")
            || state.equals("08001")
            || state.equals("08006")
            || state.equals("08003");
    return away ? Fault.AWAY : Fault.FINAL;
  }

  private static SqlError refusal(String login, SQLException fault) {
    var state = Texts.sqlState(fault.getSQLState(), "28000");
    var server = DescribeError.server(fault);
    return SqlError.of(
        // the driver's own: no way of authentication that both know
        state.startsWith("08") ? "28000" : state,
        "the worker cannot log in as role \"" + login + "\"",
        Texts.cut(String.valueOf(server == null ? fault.getMessage() : server.getMessage())),
        state.startsWith("53")
            ? "The server or the role has no connection left: see max_connections, and alter role"
                + " … connection limit."
            : "Let the worker log in as it: by its client certificate (pg_hba.conf and"
                + " pg_ident.conf), or by an entry in its password file. Then launch again.");
  }
}
