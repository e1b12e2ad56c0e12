package org.pgoffload.worker.delivery;

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
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Query;

/// Claims a batch of requests in one statement and one commit, before any of them is begun.
///
/// Safe to share between threads.
public final class ClaimRequests {
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
      if (!DatabaseFault.is(e, DatabaseFault.LEASE_LOST)) {
        throw e;
      }
      lease.recover(epoch);
      return claimWithLease(requests, envelope);
    }
  }

  private Map<Long, Claim> claimWithLease(
      Collection<ConsumedRequest> requests, Function<ConsumedRequest, @Nullable String> envelope)
      throws SQLException {
    var claims = new HashMap<Long, Claim>();
    Query.each(
        database,
        "select id, outcome, attempt, claimed_at, detail from pgoffload.claim_llm(?, ?, ?, ?::oid[], ?)",
        row -> claims.put(row.getLong(1), claim(row)),
        lease.worker(),
        lease.epoch(),
        Query.array("bigint", requests, ConsumedRequest::id),
        Query.array("bigint", requests, request -> request.envelope().requestedBy().userOid()),
        Query.array("text", requests, envelope));
    return claims;
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
}
