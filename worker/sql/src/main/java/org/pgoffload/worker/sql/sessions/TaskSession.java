package org.pgoffload.worker.sql.sessions;

import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.DirectLogin;
import org.pgoffload.platform.PoolerException;
import org.pgoffload.worker.sql.sessions.SqlClaim.EarlierSession;
import org.pgoffload.worker.sql.statements.CommandTag;
import org.postgresql.core.TransactionState;
import org.postgresql.jdbc.PgConnection;

/// A database session of the role that launched a task. It is used by one task after another, and
/// reset in between.
///
/// For one thread, except [#cancel()] and [#abort()]. Longer than 300 lines because the statements
/// of each round trip stand with their reasons.
public final class TaskSession implements AutoCloseable {
  private static final String BEGIN =
      "select pgoffload.begin_task("
          + "?, ?, ?::pg_catalog.uuid, ?::pg_catalog.jsonb, ?, ?, ?, ?::pg_catalog.jsonb),"
          + " pgoffload.memberships()";

  private static final String DISCARD_PLANS = "discard plans;";

  /// All that DISCARD ALL does, but for DISCARD PLANS, and one round trip as well. Readers who wait
  /// for the task's lock are woken as soon as nothing of the task can take another one.
  private static final String RESET =
      """
      close all;
      select pg_catalog.pg_advisory_unlock_all();
      set session authorization default;
      reset all;
      deallocate all;
      unlisten *;
      discard temp;
      discard sequences
      """;

  /// One round trip. The role is reset before the functions are looked up: the task may have set
  /// one without rights on their schema. Its own deferred constraints are checked as itself. A
  /// cursor that was to outlast the transaction would be run at the commit: after the result, under
  /// another role, and in a session that executes no task any more. What fails after the commit
  /// changes nothing: the result stands, and is published as it stands.
  private static final String COMPLETE =
      """
      set constraints all immediate;
      close all;
      set role none;
      set statement_timeout = 0;
      set lock_timeout = 0;
      set default_transaction_deferrable = off;
      select f.read_under, f.recorded, f.keeps_plans
      from pgoffload.finish_task(?, ?, ?::pg_catalog.uuid, ?, ?::pg_catalog.jsonb) f;
      commit;
      """
          + RESET;

  private final TaskLogin login;
  private final PgConnection connection;
  private final EarlierSession identity;
  private final String serverStarted;
  private final ReentrantLock cancelling = new ReentrantLock();
  private boolean cancelled;
  private boolean used;
  private boolean atRest;

  /// What the functions of earlier tasks have left, or null if it serves no other task.
  private @Nullable FunctionPlans plans;

  /// What the functions of the task leave, and what they find.
  private @Nullable FunctionPlans current;

  /// @param login the role it was to log in as
  /// @param address where it has logged in
  /// @throws PoolerException if there is a pooler between
  /// @throws WrongRoleException if it is another role's: the name has passed to that one between
  ///   its look-up and the login. As after any exception, the connection is the caller's to close
  /// @throws SQLException if the server could not be asked who this is
  TaskSession(TaskLogin login, PgConnection connection, DatabaseAddress address)
      throws SQLException {
    this.login = login;
    this.connection = connection;
    try (var statement = connection.createStatement();
        var row =
            statement.executeQuery(
                """
                select a.backend_start::pg_catalog.text, pg_catalog.pg_postmaster_start_time()::pg_catalog.text, a.pid,
                  pg_catalog.quote_ident(session_user)::pg_catalog.regrole::pg_catalog.oid,
                """
                    + DirectLogin.SOURCE_OF_A_SETTING
                    + " from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a")) {
      row.next();
      this.identity = new EarlierSession(row.getInt(3), row.getString(1));
      this.serverStarted = row.getString(2);
      if (row.getLong(4) != login.oid()) {
        throw new WrongRoleException(login);
      }
      DirectLogin.check(row.getString(5), address);
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
    var kept = plans != null && plans.serve(task) ? plans : null;
    plans = null;
    atRest = false;
    String begun;
    String memberships;
    try (var statement =
        connection.prepareStatement(kept == null ? DISCARD_PLANS + BEGIN : BEGIN)) {
      statement.setLong(1, task.id());
      statement.setInt(2, claim.attempt());
      statement.setString(3, claim.token().toString());
      statement.setString(4, task.command().settings());
      statement.setString(5, ApplicationName.of(task.command().label(), task.pid()));
      statement.setString(6, identity.started());
      statement.setInt(7, task.scheduling().depth());
      statement.setString(8, kept == null ? null : kept.begun());
      try (var row = firstRows(statement)) {
        begun = row.getString(1);
        memberships = row.getString(2);
      }
    } catch (SQLException e) {
      throw DatabaseFault.is(e, DatabaseFault.UNDEFINED_FUNCTION) ? olderSchema(e) : e;
    }
    if (kept != null && !kept.memberships().equals(memberships)) {
      kept = null;
      try (var statement = connection.createStatement()) {
        statement.execute(DISCARD_PLANS);
      }
    }
    current = kept == null ? FunctionPlans.of(task, memberships, begun) : kept.after(begun);
    connection.clearWarnings();
    connection.setAutoCommit(false);
  }

  /// No code of a task has run yet: it is a function of ours that is missing.
  private static SQLException olderSchema(SQLException fault) {
    return new SQLException(
        "the schema of the database is older than this worker: run pgoffload install, and launch"
            + " the task again",
        fault.getSQLState(),
        fault);
  }

  /// What became of a transaction's end.
  ///
  /// @param readUnder the settings under which the rows were written, as JSON
  /// @param recorded whether the result was recorded with it; a read-only transaction records none
  public record Completion(String readUnder, boolean recorded) {}

  /// Records the result and commits, both or neither, and resets the session.
  ///
  /// @param tags of the task's statements
  /// @throws SQLException also if the transaction cannot be committed or another result stands
  public Completion complete(SqlTask task, SqlClaim claim, String result, List<String> tags)
      throws SQLException {
    try (var statement = connection.prepareStatement(COMPLETE)) {
      statement.setLong(1, task.id());
      statement.setInt(2, claim.attempt());
      statement.setString(3, claim.token().toString());
      statement.setString(4, result);
      statement.setString(5, task.command().settings());
      try (var row = firstRows(statement)) {
        if (row.getBoolean(3) && tags.stream().allMatch(CommandTag::isOfQuery)) {
          plans = current;
        }
        atRest = true;
        return new Completion(row.getString(1), row.getBoolean(2));
      }
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

  /// The first result with rows, at its first row.
  private static ResultSet firstRows(PreparedStatement statement) throws SQLException {
    var hasRows = statement.execute();
    while (!hasRows && statement.getUpdateCount() != -1) {
      hasRows = statement.getMoreResults();
    }
    var rows = statement.getResultSet();
    rows.next();
    return rows;
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
  /// tables. Plans of its functions are kept for a task like it.
  public void reset() throws SQLException {
    used = true;
    rollback();
    connection.setAutoCommit(true);
    if (!atRest) {
      try (var statement = connection.createStatement()) {
        statement.execute(RESET);
      }
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
