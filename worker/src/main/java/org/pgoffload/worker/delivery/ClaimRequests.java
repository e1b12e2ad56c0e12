package org.pgoffload.worker.delivery;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/// Claims a batch of requests in one statement and one commit, before any of them is begun.
///
/// Safe to share between threads.
public final class ClaimRequests {
  private static final String LEASE_LOST = "PO001";

  private final DataSource database;
  private final Lease lease;

  public ClaimRequests(DataSource database, Lease lease) {
    this.database = database;
    this.lease = lease;
  }

  /// Claims what can be claimed. Idempotent within one lease.
  ///
  /// @param requests of distinct ids
  /// @return the claim of each, by id
  /// @throws SQLException if the database could not be asked; nothing may be begun then
  public Map<Long, Claim> claim(Collection<ConsumedRequest> requests) throws SQLException {
    // an inserted request has its row; an immediate one is recorded with its claim
    return claim(
        requests,
        request ->
            request.envelope().immediate() && request.isReadable() ? request.signedText() : null);
  }

  /// Claims a request alone, and does not record what it asks for, which the database may not take.
  /// What is published of it belongs to this claim: without one, nobody would write it back.
  ///
  /// @throws SQLException as [#claim]
  public Claim claimUnrecorded(ConsumedRequest request) throws SQLException {
    return Objects.requireNonNull(
        claim(List.of(request), _ -> null).get(request.id()), "each has a claim");
  }

  private Map<Long, Claim> claim(
      Collection<ConsumedRequest> requests, Function<ConsumedRequest, @Nullable String> envelope)
      throws SQLException {
    long epoch = lease.epoch();
    try {
      return claimWithLease(requests, envelope);
    } catch (SQLException e) {
      if (!LEASE_LOST.equals(e.getSQLState())) {
        throw e;
      }
      lease.recover(epoch);
      return claimWithLease(requests, envelope);
    }
  }

  private Map<Long, Claim> claimWithLease(
      Collection<ConsumedRequest> requests, Function<ConsumedRequest, @Nullable String> envelope)
      throws SQLException {
    var ids = new Long[requests.size()];
    var roles = new Long[requests.size()];
    var envelopes = new @Nullable String[requests.size()];
    int i = 0;
    for (var request : requests) {
      ids[i] = request.id();
      roles[i] = request.envelope().requestedBy().userOid();
      envelopes[i] = envelope.apply(request);
      i++;
    }
    try (var connection = database.getConnection()) {
      return query(connection, ids, roles, envelopes);
    }
  }

  private Map<Long, Claim> query(
      Connection connection, Long[] ids, Long[] roles, @Nullable String[] envelopes)
      throws SQLException {
    try (var statement =
        connection.prepareStatement(
            "select id, outcome, attempt, claimed_at, detail from pgoffload.claim_llm(?, ?, ?, ?::oid[], ?)")) {
      statement.setString(1, lease.worker());
      statement.setLong(2, lease.epoch());
      statement.setArray(3, connection.createArrayOf("bigint", ids));
      statement.setArray(4, connection.createArrayOf("bigint", roles));
      statement.setArray(5, connection.createArrayOf("text", envelopes));
      var claims = new HashMap<Long, Claim>();
      var row = statement.executeQuery();
      while (row.next()) {
        claims.put(row.getLong(1), claim(row));
      }
      return claims;
    }
  }

  private static Claim claim(ResultSet row) throws SQLException {
    var outcome = row.getString(2);
    return switch (outcome) {
      case "claimed" -> claimed(row);
      case "answered" -> new Claim.Answered();
      case "own" -> new Claim.Own(claimed(row));
      case "held" -> new Claim.Held();
      case "cancelled" -> refused(row, Claim.Refused.Reason.CANCELLED);
      case "over_budget" -> refused(row, Claim.Refused.Reason.OVER_BUDGET);
      default ->
          throw new SQLException(
              "pgoffload.claim_llm returned '" + outcome + "': upgrade this worker");
    };
  }

  private static Claim refused(ResultSet row, Claim.Refused.Reason reason) throws SQLException {
    return new Claim.Refused(
        claimed(row), reason, Objects.requireNonNullElse(row.getString(5), ""));
  }

  private static Claim.Claimed claimed(ResultSet row) throws SQLException {
    return new Claim.Claimed(row.getInt(3), row.getTimestamp(4).toInstant());
  }

  /// Whether a request is to blame, rather than the server or the connection: data exceptions (22),
  /// integrity violations (23), among them an id that no partition takes, and program limits (54).
  public static boolean isDataError(SQLException fault) {
    var state = fault.getSQLState();
    return state != null
        && (state.startsWith("22") || state.startsWith("23") || state.startsWith("54"));
  }
}
