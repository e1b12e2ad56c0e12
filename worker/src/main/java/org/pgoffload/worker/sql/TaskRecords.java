package org.pgoffload.worker.sql;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.sql.Array;
import java.sql.PreparedStatement;
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
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.protocol.SqlError;

/// What the database keeps of requests for SQL, on the worker's own connections: claims, results
/// that are not bound to a task's transaction, cancellations, progress.
///
/// Every method throws [SQLException] if the database could not be asked. All are idempotent, or
/// say that another was first. Safe to share between threads.
public final class TaskRecords implements TaskLogin.Roles {
  /// The SQLSTATE for a role that does not exist.
  static final String NO_ROLE = "42704";

  private static final String LEASE_LOST = "PO001";

  /// A newer database may say more of an error.
  private static final ObjectMapper JSON =
      JsonMapper.builder().disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).build();

  private final DataSource database;
  private final WorkerLease lease;

  public TaskRecords(DataSource database, WorkerLease lease) {
    this.database = database;
    this.lease = lease;
  }

  /// A request to be claimed.
  ///
  /// @param envelope as it was signed, if the database does not have the request yet, or null
  public record ToClaim(long id, @Nullable String envelope) {}

  @FunctionalInterface
  private interface Fill {
    void fill(PreparedStatement statement) throws SQLException;
  }

  @FunctionalInterface
  private interface Read<T> {
    T read(ResultSet rows) throws SQLException;
  }

  /// Records immediate requests that cannot begin yet, so that they can be listed and cancelled.
  public void recordRequests(Collection<String> envelopes) throws SQLException {
    query(
        "select pgoffload.record_sql_requests(?)",
        statement -> statement.setArray(1, array(statement, "text", envelopes.toArray())),
        rows -> true);
  }

  /// Claims what can be claimed.
  ///
  /// @param requests of distinct ids
  /// @return the claim of each, by id
  public Map<Long, SqlClaim> claim(List<ToClaim> requests) throws SQLException {
    return withLease(() ->
        query(
            "select id, outcome, attempt, claimed_at, token, ending, sessions"
                + " from pgoffload.claim_sql(?, ?, ?, ?)",
            statement -> {
              statement.setString(1, lease.worker());
              statement.setLong(2, lease.epoch());
              statement.setArray(
                  3, array(statement, "bigint", requests.stream().map(ToClaim::id).toArray()));
              statement.setArray(
                  4, array(statement, "text", requests.stream().map(ToClaim::envelope).toArray()));
            },
            rows -> {
              var claims = new HashMap<Long, SqlClaim>();
              while (rows.next()) {
                claims.put(rows.getLong(1), claim(rows));
              }
              return claims;
            }));
  }

  /// Claims a request as a new attempt, after the session of the last one was lost.
  ///
  /// @return empty if another has begun it, or it has its result
  Optional<SqlClaim.Again> claimAgain(long id, int lostAttempt) throws SQLException {
    return query(
        "select attempt, claimed_at, token from pgoffload.claim_sql_again(?, ?, ?, ?)",
        statement -> {
          statement.setString(1, lease.worker());
          statement.setLong(2, lease.epoch());
          statement.setLong(3, id);
          statement.setInt(4, lostAttempt);
        },
        rows ->
            rows.next()
                ? Optional.of(
                    new SqlClaim.Again(
                        rows.getInt(1),
                        rows.getTimestamp(2).toInstant(),
                        rows.getObject(3, UUID.class)))
                : Optional.empty());
  }

  /// Records a result that is not bound to a task's transaction.
  ///
  /// @return false if another result stands or a later attempt exists
  boolean end(long id, int attempt, String result) throws SQLException {
    return is(
        "select pgoffload.end_sql(?, ?, ?)",
        statement -> {
          statement.setLong(1, id);
          statement.setInt(2, attempt);
          statement.setString(3, result);
        });
  }

  /// Marks, before a command runs outside a transaction, that its outcome may become unknown.
  ///
  /// @return false if a later attempt exists: it must not run
  boolean markAutocommit(long id, int attempt) throws SQLException {
    return is(
        "select pgoffload.mark_autocommit(?, ?)",
        statement -> {
          statement.setLong(1, id);
          statement.setInt(2, attempt);
        });
  }

  /// The result that stands, as a message.
  Optional<String> resultMessage(long id) throws SQLException {
    return query(
        "select pgoffload.sql_result_message(?)",
        statement -> statement.setLong(1, id),
        rows -> rows.next() ? Optional.ofNullable(rows.getString(1)) : Optional.empty());
  }

  /// Remembers that somebody wants requests cancelled.
  ///
  /// @param byOids who, of each
  /// @return those that are recorded, not ended, and theirs to cancel
  public Set<Long> recordCancellations(List<Long> ids, List<Long> byOids) throws SQLException {
    return query(
        "select pgoffload.record_cancellations(?, ?::oid[])",
        statement -> {
          statement.setArray(1, array(statement, "bigint", ids.toArray()));
          statement.setArray(2, array(statement, "bigint", byOids.toArray()));
        },
        rows -> {
          var cancelled = new HashSet<Long>();
          while (rows.next()) {
            cancelled.add(rows.getLong(1));
          }
          return cancelled;
        });
  }

  /// Records what a running task says of its progress.
  public void recordProgress(long id, int attempt, int percent, @Nullable String message)
      throws SQLException {
    query(
        "select pgoffload.record_progress(?, ?, ?, ?)",
        statement -> {
          statement.setLong(1, id);
          statement.setInt(2, attempt);
          statement.setInt(3, percent);
          statement.setString(4, message);
        },
        rows -> true);
  }

  /// Records what a task waits for before it can begin.
  void recordWait(long id, int attempt, String reason) throws SQLException {
    query(
        "select pgoffload.record_wait(?, ?, ?)",
        statement -> {
          statement.setLong(1, id);
          statement.setInt(2, attempt);
          statement.setString(3, reason);
        },
        rows -> true);
  }

  /// The role of this oid, with the settings that a session of it needs on this server.
  @Override
  public TaskLogin login(long oid) throws SQLException {
    return query(
        """
        select r.rolname, coalesce(r.rolvaliduntil < pg_catalog.clock_timestamp(), false),
               pg_catalog.current_setting('transaction_timeout', true) is not null
        from pg_catalog.pg_roles r where r.oid = ?::pg_catalog.oid
        """,
        statement -> statement.setLong(1, oid),
        rows -> {
          if (!rows.next()) {
            throw new SQLException(
                "the role that launched the task does not exist any more (OID " + oid + ")",
                NO_ROLE);
          }
          return new TaskLogin(
              oid, rows.getString(1), rows.getBoolean(2), TaskDatabase.options(rows.getBoolean(3)));
        });
  }

  /// Which of these sessions do not exist any more.
  Set<SqlClaim.EarlierSession> sessionsGone(List<SqlClaim.EarlierSession> sessions)
      throws SQLException {
    return query(
        "select pgoffload.sessions_gone(?, ?::timestamptz[])",
        statement -> {
          statement.setArray(
              1,
              array(
                  statement,
                  "integer",
                  sessions.stream().map(SqlClaim.EarlierSession::pid).toArray()));
          statement.setArray(
              2,
              array(
                  statement,
                  "text",
                  sessions.stream().map(SqlClaim.EarlierSession::started).toArray()));
        },
        rows -> {
          var gone = new HashSet<SqlClaim.EarlierSession>();
          while (rows.next()) {
            gone.add(sessions.get(rows.getInt(1) - 1));
          }
          return gone;
        });
  }

  /// Removes what was kept long enough for callers with an old snapshot.
  public void sweepLargeAnswers() throws SQLException {
    query("select pgoffload.sweep_large_answers()", statement -> {}, rows -> true);
  }

  @FunctionalInterface
  private interface Claiming<T> {
    T claim() throws SQLException;
  }

  private <T> T withLease(Claiming<T> claiming) throws SQLException {
    long epoch = lease.epoch();
    try {
      return claiming.claim();
    } catch (SQLException e) {
      if (!LEASE_LOST.equals(e.getSQLState())) {
        throw e;
      }
      lease.recover(epoch);
      return claiming.claim();
    }
  }

  private boolean is(String sql, Fill fill) throws SQLException {
    return query(sql, fill, rows -> rows.next() && rows.getBoolean(1));
  }

  private <T> T query(String sql, Fill fill, Read<T> read) throws SQLException {
    try (var connection = database.getConnection();
        var statement = connection.prepareStatement(sql)) {
      fill.fill(statement);
      try (var rows = statement.executeQuery()) {
        return read.read(rows);
      }
    }
  }

  private static Array array(PreparedStatement statement, String type, @Nullable Object[] values)
      throws SQLException {
    return statement.getConnection().createArrayOf(type, values);
  }

  private static SqlClaim claim(ResultSet row) throws SQLException {
    var outcome = row.getString(2);
    return switch (outcome) {
      case "claimed", "own" -> claimed(row);
      case "answered" -> new SqlClaim.Answered();
      case "held" -> new SqlClaim.Held();
      case "missing" -> new SqlClaim.Missing();
      default ->
          throw new SQLException(
              "pgoffload.claim_sql returned '" + outcome + "': upgrade this worker");
    };
  }

  private static SqlClaim.Claimed claimed(ResultSet row) throws SQLException {
    var ending = json(row.getString(6));
    var sessions = new ArrayList<SqlClaim.EarlierSession>();
    for (var session : json(row.getString(7))) {
      sessions.add(
          new SqlClaim.EarlierSession(
              session.path("pid").asInt(), session.path("started").asText()));
    }
    return new SqlClaim.Claimed(
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
      throw new SQLException("pgoffload.claim_sql returned an error of another form", e);
    }
  }

  private static JsonNode json(@Nullable String text) throws SQLException {
    try {
      return text == null ? JSON.nullNode() : JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new SQLException("pgoffload.claim_sql returned no JSON", e);
    }
  }
}
