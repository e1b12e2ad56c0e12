package org.pgoffload.worker.sql;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Semaphore;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Query;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.protocol.RequestKey;
import org.pgoffload.protocol.SqlError;
import org.pgoffload.worker.delivery.Claim;
import org.pgoffload.worker.delivery.lease.WorkerLease;
import org.pgoffload.worker.sql.sessions.SqlClaim;
import org.pgoffload.worker.sql.sessions.TaskLogin;

/// What the database keeps of requests for SQL, on the worker's own connections: claims, results
/// that are not bound to a task's transaction, cancellations, progress.
///
/// Every method throws [SQLException] if the database could not be asked. All are idempotent, or
/// say that another was first. Safe to share between threads.
public final class TaskRecords implements TaskLogin.Roles {
  /// A newer database may say more of an error.
  private static final ObjectMapper JSON =
      JsonMapper.builder().disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).build();

  /// Claims and leases need connections of the same pool.
  private static final int MOST_STORING = 3;

  private final DataSource database;
  private final WorkerLease lease;
  private final Semaphore storing = new Semaphore(MOST_STORING);

  public TaskRecords(DataSource database, WorkerLease lease) {
    this.database = database;
    this.lease = lease;
  }

  /// A request to be claimed.
  ///
  /// @param envelope as it was signed, if the database does not have the request yet, or null
  /// @param mayBeLost whether the database has lost it unless it has a row of it
  public record ToClaim(RequestKey request, @Nullable String envelope, boolean mayBeLost) {}

  /// Records immediate requests that cannot begin yet, so that they can be listed and cancelled.
  public void recordRequests(Collection<String> envelopes) throws SQLException {
    Query.execute(
        database, "select pgoffload.record_sql_requests(?)", Query.array("text", envelopes));
  }

  /// Claims what can be claimed.
  ///
  /// @param requests of distinct ids
  /// @param timeline the token of the one on which their consumer has begun; null if it has not
  /// @return the claim of each, by id
  public Map<Long, Claim<SqlClaim>> claim(List<ToClaim> requests, @Nullable UUID timeline)
      throws SQLException {
    return lease.claiming(() -> {
      var claims = new HashMap<Long, Claim<SqlClaim>>();
      Query.each(
          database,
          "select id, outcome, attempt, claimed_at, token, ending, sessions"
              + " from pgoffload.claim_sql_since(?, ?, ?, ?, ?, ?, ?)",
          row -> claims.put(row.getLong(1), claim(row)),
          timeline,
          lease.worker(),
          lease.epoch(),
          Query.array("bigint", requests, each -> each.request.id()),
          Query.array("text", requests, ToClaim::envelope),
          Query.array("uuid", requests, each -> each.request.nonce()),
          Query.array("boolean", requests, ToClaim::mayBeLost));
      return claims;
    });
  }

  /// Claims a request as a new attempt, after the session of the last one was lost.
  ///
  /// @return empty if another has begun it, or it has its result
  Optional<SqlClaim.Again> claimAgain(long id, int lostAttempt) throws SQLException {
    return Query.first(
        database,
        "select attempt, claimed_at, token from pgoffload.claim_sql_again(?, ?, ?, ?)",
        row ->
            new SqlClaim.Again(
                row.getInt(1), row.getTimestamp(2).toInstant(), row.getObject(3, UUID.class)),
        lease.worker(),
        lease.epoch(),
        id,
        lostAttempt);
  }

  /// Records a result that is not bound to a task's transaction.
  ///
  /// @return false if another result stands, a later attempt exists, or the database was failed
  ///   over since the claim: what the attempt did may be lost, and the request is claimed again
  boolean end(long id, int attempt, String result) throws SQLException {
    return is("select pgoffload.end_sql_attempt(?, ?, ?)", id, attempt, result);
  }

  /// Stores a chunk of an attempt's rows. Waits for its turn among the tasks of this worker.
  ///
  /// @param columns and `ends` as in [org.pgoffload.worker.sql.rows.RowStore#store]
  /// @return true
  boolean storeRows(
      long id, SqlClaim claim, int number, List<String> columns, @Nullable Boolean ends)
      throws SQLException, InterruptedException {
    storing.acquire();
    try {
      Query.execute(
          database,
          "select pgoffload.store_rows(?, ?, ?, ?, ?, ?)",
          id,
          claim.attempt(),
          claim.token(),
          number,
          Query.array("text", columns),
          ends);
      return true;
    } finally {
      storing.release();
    }
  }

  /// Marks, before a command runs outside a transaction, that its outcome may become unknown.
  ///
  /// @return false if a later attempt exists, or the database was failed over since the claim: it
  ///   must not run
  boolean markAutocommit(long id, int attempt) throws SQLException {
    return is("select pgoffload.begin_autocommit(?, ?)", id, attempt);
  }

  /// Whether another task that was executed in this session was taken over, which ends the session.
  boolean isTakenOver(SqlClaim.EarlierSession session, long id) throws SQLException {
    return is("select pgoffload.is_taken_over(?, ?, ?)", session.pid(), session.started(), id);
  }

  /// The result that stands, as a message.
  Optional<String> resultMessage(long id) throws SQLException {
    return Query.first(
        database, "select pgoffload.sql_result_message(?)", row -> row.getString(1), id);
  }

  /// Remembers that somebody wants requests cancelled.
  ///
  /// @param byOids who, of each
  /// @return those that are recorded, not ended, and theirs to cancel
  public Set<Long> recordCancellations(List<Long> ids, List<Long> byOids) throws SQLException {
    return Query.ids(
        database,
        "select pgoffload.record_cancellations(?, ?::oid[])",
        Query.array("bigint", ids),
        Query.array("bigint", byOids));
  }

  /// Records what a running task says of its progress.
  public void recordProgress(long id, int attempt, int percent, @Nullable String message)
      throws SQLException {
    Query.execute(
        database, "select pgoffload.record_progress(?, ?, ?, ?)", id, attempt, percent, message);
  }

  /// Records what a task waits for before it can begin.
  void recordWait(long id, int attempt, String reason) throws SQLException {
    Query.execute(database, "select pgoffload.record_wait(?, ?, ?)", id, attempt, reason);
  }

  /// The role of this oid, with the settings that a session of it needs on this server.
  @Override
  public TaskLogin login(long oid) throws SQLException {
    return Query.first(
            database,
            """
            select r.rolname, coalesce(r.rolvaliduntil < pg_catalog.clock_timestamp(), false),
                   pg_catalog.current_setting('transaction_timeout', true) is not null,
                   pg_catalog.version() ~ 'linux|darwin|bsd'
            from pg_catalog.pg_roles r where r.oid = ?::pg_catalog.oid
            """,
            row ->
                new TaskLogin(
                    oid,
                    row.getString(1),
                    row.getBoolean(2),
                    TaskDatabase.options(row.getBoolean(3), row.getBoolean(4))),
            oid)
        .orElseThrow(() ->
            new SQLException(
                "the role that launched the task does not exist any more (OID " + oid + ")",
                DatabaseFault.UNDEFINED_OBJECT));
  }

  /// Which of these sessions do not exist any more.
  Set<SqlClaim.EarlierSession> sessionsGone(List<SqlClaim.EarlierSession> sessions)
      throws SQLException {
    return new HashSet<>(
        Query.rows(
            database,
            "select pgoffload.sessions_gone(?, ?::timestamptz[])",
            row -> sessions.get(row.getInt(1) - 1),
            Query.array("integer", sessions, SqlClaim.EarlierSession::pid),
            Query.array("text", sessions, SqlClaim.EarlierSession::started)));
  }

  /// Removes what was kept long enough for callers with an old snapshot.
  public void sweepLargeAnswers() throws SQLException {
    Query.execute(database, "select pgoffload.sweep_large_answers()");
  }

  private boolean is(String sql, @Nullable Object... parameters) throws SQLException {
    return Query.first(database, sql, row -> row.getBoolean(1), parameters).orElse(false);
  }

  private static Claim<SqlClaim> claim(ResultSet row) throws SQLException {
    var outcome = row.getString(2);
    return switch (outcome) {
      case "claimed", "own" -> new Claim.Claimed<>(claimed(row));
      case "answered" -> new Claim.Answered<>();
      case "held" -> new Claim.Held<>();
      case "missing" -> new Claim.Missing<>();
      case "unasked" -> new Claim.Unasked<>();
      default ->
          throw new SQLException(
              "pgoffload.claim_sql_since returned '" + outcome + "': upgrade this worker");
    };
  }

  private static SqlClaim claimed(ResultSet row) throws SQLException {
    var ending = json(row.getString(6));
    var sessions = new ArrayList<SqlClaim.EarlierSession>();
    for (var session : json(row.getString(7))) {
      sessions.add(
          new SqlClaim.EarlierSession(
              session.path("pid").asInt(), session.path("started").asText()));
    }
    return new SqlClaim(
        row.getInt(3),
        row.getTimestamp(4).toInstant(),
        row.getObject(5, UUID.class),
        ending.isObject()
            ? new SqlClaim.Ending(ending.path("status").asText(), error(ending.path("error")))
            : null,
        sessions);
  }

  private static SqlError error(JsonNode json) throws SQLException {
    try {
      return JSON.treeToValue(json, SqlError.class);
    } catch (JsonProcessingException e) {
      throw new SQLException("pgoffload.claim_sql_since returned an error of another form", e);
    }
  }

  private static JsonNode json(@Nullable String text) throws SQLException {
    try {
      return text == null ? JSON.nullNode() : JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new SQLException("pgoffload.claim_sql_since returned no JSON", e);
    }
  }
}
