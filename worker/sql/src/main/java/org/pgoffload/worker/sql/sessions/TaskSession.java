package org.pgoffload.worker.sql.sessions;

import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.pgoffload.worker.sql.sessions.SqlClaim.EarlierSession;
import org.postgresql.core.TransactionState;
import org.postgresql.jdbc.PgConnection;

/// A database session of the role that launched a task. It is used by one task after another, and
/// reset in between.
///
/// For one thread, except [#cancel()] and [#abort()].
public final class TaskSession implements AutoCloseable {
  private static final String ENTER =
      "select pgoffload.enter_task(?, ?, ?::pg_catalog.uuid, ?::pg_catalog.jsonb, ?, null, ?)";

  /// One round trip. The role is reset before the functions are looked up: the task may have set
  /// one without rights on their schema. Its own deferred constraints are checked as itself. Of the
  /// two queries one finds a row: a read-only transaction that has changed nothing can hold no
  /// mark, and needs none. A reader that waits for the task's lock is woken with the commit. A
  /// cursor that was to outlast the transaction would be run at the commit: after the result, under
  /// another role, and in a session that executes no task any more.
  private static final String COMPLETE =
      """
      set constraints all immediate;
      close all;
      set role none;
      set local statement_timeout = 0;
      set local lock_timeout = 0;
      select u.read_under, pgoffload.complete_sql(?, ?, ?::pg_catalog.uuid, ?, u.read_under)
      from (select pgoffload.leave_task() as read_under offset 0) u where not (%1$s);
      select pgoffload.leave_task() where %1$s;
      commit;
      select pg_catalog.pg_advisory_unlock_all()
      """
          .formatted(
              "pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool"
                  + " and pg_catalog.pg_current_xact_id_if_assigned() is null");

  private final TaskLogin login;
  private final PgConnection connection;
  private final EarlierSession identity;
  private final String serverStarted;
  private final ReentrantLock cancelling = new ReentrantLock();
  private boolean cancelled;
  private boolean used;

  /// @param login the role it was to log in as
  /// @throws WrongRoleException if it is another role's: the name has passed to that one between
  ///   its look-up and the login. As after any exception, the connection is the caller's to close
  /// @throws SQLException if the server could not be asked who this is
  TaskSession(TaskLogin login, PgConnection connection) throws SQLException {
    this.login = login;
    this.connection = connection;
    try (var statement = connection.createStatement();
        var row =
            statement.executeQuery(
                """
                select a.backend_start::pg_catalog.text, pg_catalog.pg_postmaster_start_time()::pg_catalog.text, a.pid,
                  pg_catalog.quote_ident(session_user)::pg_catalog.regrole::pg_catalog.oid
                from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a
                """)) {
      row.next();
      this.identity = new EarlierSession(row.getInt(3), row.getString(1));
      this.serverStarted = row.getString(2);
      if (row.getLong(4) != login.oid()) {
        throw new WrongRoleException(login);
      }
    }
  }

  /// A login that led to the session of another role than it was meant for.
  public static final class WrongRoleException extends SQLException {
    private static final long serialVersionUID = 1L;

    private WrongRoleException(TaskLogin login) {
      super(
          "the login as \""
              + login.name()
              + "\" led to another role than the one with OID "
              + login.oid(),
          "28000");
    }
  }

  /// The oid of the role that has logged in.
  public long login() {
    return login.oid();
  }

  /// The connection of this session, which closes with it.
  public PgConnection connection() {
    return connection;
  }

  /// What tells this session from all others.
  public EarlierSession identity() {
    return identity;
  }

  /// When the server that it is connected to was started.
  public String serverStarted() {
    return serverStarted;
  }

  /// Makes this session what the launcher's was, and records that it executes the claim.
  ///
  /// @throws SQLException also if another attempt has begun
  public void enter(SqlTask task, SqlClaim claim) throws SQLException {
    try (var statement = connection.prepareStatement(ENTER)) {
      statement.setLong(1, task.id());
      statement.setInt(2, claim.attempt());
      statement.setString(3, claim.token().toString());
      statement.setString(4, task.command().settings());
      statement.setString(5, ApplicationName.of(task.command().label(), task.pid()));
      statement.setInt(6, task.scheduling().depth());
      statement.execute();
    }
    connection.clearWarnings();
    connection.setAutoCommit(false);
  }

  /// What became of a transaction's end.
  ///
  /// @param readUnder the settings under which the rows were written, as JSON
  /// @param recorded whether the result was recorded with it; a read-only transaction records none
  public record Completion(String readUnder, boolean recorded) {}

  /// Records the result and commits, both or neither.
  ///
  /// @throws SQLException also if the transaction cannot be committed or another result stands
  public Completion complete(SqlTask task, SqlClaim claim, String result) throws SQLException {
    try (var statement = connection.prepareStatement(COMPLETE)) {
      statement.setLong(1, task.id());
      statement.setInt(2, claim.attempt());
      statement.setString(3, claim.token().toString());
      statement.setString(4, result);
      var rows = statement.execute();
      var queries = 0;
      Completion completion = null;
      while (rows || statement.getUpdateCount() != -1) {
        if (rows) {
          queries++;
          var row = firstColumn(statement);
          if (queries <= 2 && row.isPresent()) {
            completion = new Completion(row.get(), queries == 1);
          }
        }
        rows = statement.getMoreResults();
      }
      if (completion == null) {
        throw new SQLException("the end of the transaction did not say what it was", "XX000");
      }
      return completion;
    }
  }

  /// What [#complete] does for a command that ran outside a transaction block: returns the settings
  /// under which its rows were written, as JSON.
  public String leave() throws SQLException {
    try (var statement =
        connection.prepareStatement("set role none; select pgoffload.leave_task()")) {
      statement.execute();
      statement.getMoreResults();
      return firstColumn(statement).orElse("{}");
    }
  }

  /// Forgets what the task has prepared.
  public void deallocateAll() throws SQLException {
    try (var statement = connection.createStatement()) {
      statement.execute("deallocate all");
    }
    connection.commit();
  }

  private static Optional<String> firstColumn(PreparedStatement statement) throws SQLException {
    try (var row = statement.getResultSet()) {
      return row.next() ? Optional.of(String.valueOf(row.getString(1))) : Optional.empty();
    }
  }

  /// Undoes what is open, if the connection still serves.
  public void rollback() throws SQLException {
    if (connection.getTransactionState() != TransactionState.IDLE) {
      connection.rollback();
    }
  }

  /// Forgets all that a task has left: settings, role, locks, prepared statements, temporary
  /// tables.
  public void reset() throws SQLException {
    used = true;
    rollback();
    connection.setAutoCommit(true);
    try (var statement = connection.createStatement()) {
      statement.execute("discard all");
    }
    connection.clearWarnings();
  }

  /// Interrupts what runs, if anything does. The session serves no other task then: the signal may
  /// arrive after the task's end.
  ///
  /// @throws SQLException if the server could not be reached
  public void cancel() throws SQLException {
    cancelling.lock();
    try {
      cancelled = true;
      connection.cancelQuery();
    } finally {
      cancelling.unlock();
    }
  }

  /// Breaks the connection off, whose other end is gone without a word: what waits for it fails.
  /// For any thread.
  public void abort() {
    try {
      connection.abort(Runnable::run);
    } catch (SQLException e) {
      // it is gone already
    }
  }

  /// Whether another task may use it.
  public boolean isReusable() {
    cancelling.lock();
    try {
      return !cancelled && !isBroken();
    } finally {
      cancelling.unlock();
    }
  }

  /// Whether it has rested since another task: it may have ended meanwhile.
  public boolean isUsed() {
    return used;
  }

  /// Whether the connection is gone.
  public boolean isBroken() {
    return connection.getQueryExecutor().isClosed();
  }

  /// The driver's own view of a setting that the server reports.
  public boolean standardConformingStrings() {
    return connection.getStandardConformingStrings();
  }

  /// Closes the connection. What was open is rolled back by the server.
  @Override
  public void close() {
    try {
      connection.close();
    } catch (SQLException e) {
      // it is gone already
    }
  }

  @Override
  public String toString() {
    return "TaskSession[" + login.name() + ", pid " + identity.pid() + "]";
  }
}
