package org.pgoffload.worker.llm;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.function.Function;
import java.util.function.Predicate;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Query;
import org.pgoffload.worker.delivery.Claim;
import org.pgoffload.worker.delivery.ConsumedRequest;
import org.pgoffload.worker.delivery.lease.Lease;

/// Claims a batch of requests in one statement and one commit, before any of them is begun.
///
/// Safe to share between threads.
final class ClaimRequests {
  private final DataSource database;
  private final Lease lease;

  ClaimRequests(DataSource database, Lease lease) {
    this.database = database;
    this.lease = lease;
  }

  /// Claims what can be claimed. Idempotent within one lease.
  ///
  /// @param requests of distinct ids
  /// @param isRecorded whether the database has a row of a request; otherwise its claim makes one
  /// @param timeline the token of the one on which their consumer has begun; null if it has not
  /// @return the claim of each, by id
  /// @throws SQLException if the database could not be asked, or has another timeline; nothing may
  ///   be begun then
  Map<Long, Claim<LlmAttempt>> claim(
      Collection<ConsumedRequest> requests,
      Predicate<ConsumedRequest> isRecorded,
      @Nullable UUID timeline)
      throws SQLException {
    return claimWith(
        requests,
        request -> request.isReadable() && !isRecorded.test(request) ? request.signedText() : null,
        timeline);
  }

  /// Records immediate requests that wait, so that they can be listed and cancelled.
  ///
  /// @throws SQLException as [#claim]
  void record(Collection<ConsumedRequest> requests) throws SQLException {
    Query.execute(
        database,
        "select pgoffload.record_llm_requests(?)",
        Query.array("text", requests, ConsumedRequest::signedText));
  }

  /// Claims a request alone, and does not record what it asks for, which the database may not take.
  /// What is published of it belongs to this claim: without one, nobody would write it back.
  ///
  /// @throws SQLException as [#claim]
  Claim<LlmAttempt> claimUnrecorded(ConsumedRequest request, @Nullable UUID timeline)
      throws SQLException {
    return Objects.requireNonNull(
        claimWith(List.of(request), _ -> null, timeline).get(request.id()), "each has a claim");
  }

  private Map<Long, Claim<LlmAttempt>> claimWith(
      Collection<ConsumedRequest> requests,
      Function<ConsumedRequest, @Nullable String> envelope,
      @Nullable UUID timeline)
      throws SQLException {
    // before the statement: what is lost later counts as another lapse
    long leaseLapses = lease.leaseLapses();
    return lease.claiming(() -> claimWithLease(requests, envelope, timeline, leaseLapses));
  }

  private Map<Long, Claim<LlmAttempt>> claimWithLease(
      Collection<ConsumedRequest> requests,
      Function<ConsumedRequest, @Nullable String> envelope,
      @Nullable UUID timeline,
      long leaseLapses)
      throws SQLException {
    var claims = new HashMap<Long, Claim<LlmAttempt>>();
    Query.each(
        database,
        "select id, outcome, attempt, claimed_at, detail from pgoffload.claim_llm_since(?, ?, ?, ?, ?::oid[], ?, ?, ?)",
        row -> claims.put(row.getLong(1), claim(row, leaseLapses)),
        timeline,
        lease.worker(),
        lease.epoch(),
        Query.array("bigint", requests, ConsumedRequest::id),
        Query.array("bigint", requests, request -> request.envelope().requestedBy().userOid()),
        Query.array("text", requests, envelope),
        Query.array("uuid", requests, request -> request.envelope().key().nonce()),
        Query.array("boolean", requests, ConsumedRequest::mayBeLost));
    return claims;
  }

  private static Claim<LlmAttempt> claim(ResultSet row, long leaseLapses) throws SQLException {
    var outcome = row.getString(2);
    return switch (outcome) {
      case "claimed" -> new Claim.Claimed<>(attempt(row, leaseLapses, null));
      case "answered" -> new Claim.Answered<>();
      case "own" -> new Claim.Own<>(attempt(row, leaseLapses, null));
      case "held" -> new Claim.Held<>();
      case "unasked" -> new Claim.Unasked<>();
      case "cancelled" ->
          new Claim.Refused<>(attempt(row, leaseLapses, LlmAttempt.Reason.CANCELLED));
      case "over_budget" ->
          new Claim.Refused<>(attempt(row, leaseLapses, LlmAttempt.Reason.OVER_BUDGET));
      case "superseded" ->
          new Claim.Refused<>(attempt(row, leaseLapses, LlmAttempt.Reason.SUPERSEDED));
      default ->
          throw new SQLException(
              "pgoffload.claim_llm_since returned '" + outcome + "': upgrade this worker");
    };
  }

  private static LlmAttempt attempt(
      ResultSet row, long leaseLapses, LlmAttempt.@Nullable Reason reason) throws SQLException {
    return new LlmAttempt(
        row.getInt(3),
        row.getTimestamp(4).toInstant(),
        leaseLapses,
        reason == null
            ? null
            : new LlmAttempt.Refusal(reason, Objects.requireNonNullElse(row.getString(5), "")));
  }
}
