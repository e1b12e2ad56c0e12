package org.pgoffload.worker.llm;

import java.sql.Array;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.MaintainedRow;
import org.pgoffload.protocol.RequestKey;
import org.pgoffload.worker.delivery.ConsumedRequest;
import org.pgoffload.worker.delivery.commands.Cancellation;
import org.pgoffload.worker.delivery.commands.CommandHandler;
import org.pgoffload.worker.delivery.commands.EarlyCancellations;
import org.pgoffload.worker.delivery.lease.Lease;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Cancels LLM requests: what runs here is interrupted, what nobody has begun is ended by whichever
/// worker claims it first.
final class ObeyCancellations implements CommandHandler {
  private static final Logger LOG = LoggerFactory.getLogger(ObeyCancellations.class);

  private final DataSource database;
  private final Lease lease;
  private final InFlightRequests asked;
  private final EarlyCancellations early;
  private final EndCancelled end;

  /// Ends a request that this worker has claimed for nothing else, and says so to
  /// [InFlightRequests#endEnding] when its result is published.
  @FunctionalInterface
  interface EndCancelled {
    void end(CancelledRequest request);
  }

  /// A request that is ended without ever having been received here.
  ///
  /// @param row of a maintained column that it was for, or null
  record CancelledRequest(
      RequestKey key,
      String kind,
      int attempt,
      Instant claimedAt,
      Instant createdAt,
      String requestedBy,
      long requestedByOid,
      @Nullable MaintainedRow row) {
    long id() {
      return key.id();
    }
  }

  ObeyCancellations(
      DataSource database,
      Lease lease,
      InFlightRequests asked,
      EarlyCancellations early,
      EndCancelled end) {
    this.database = database;
    this.lease = lease;
    this.asked = asked;
    this.early = early;
    this.end = end;
  }

  @Override
  public List<Cancellation> cancel(List<Cancellation> cancellations) throws SQLException {
    var claimed = new HashSet<Long>();
    var ids = cancellations.stream().map(Cancellation::id).distinct().toList();
    ids.forEach(asked::beginEnding);
    try {
      var unknown = ask(cancellations, claimed);
      var known = new HashSet<>(cancellations);
      unknown.forEach(known::remove);
      known.forEach(early::forget);
      return unknown;
    } finally {
      ids.stream().filter(id -> !claimed.contains(id)).forEach(asked::endEnding);
    }
  }

  /// Obeys what came before these requests were recorded, which they are by now.
  void obeyEarly(List<ConsumedRequest> requests) throws SQLException {
    early.obey(requests.stream().map(ConsumedRequest::id).toList(), this::cancel);
  }

  /// @param claimed receives the ids of those that end here
  private List<Cancellation> ask(List<Cancellation> cancellations, Set<Long> claimed)
      throws SQLException {
    var unknown = new ArrayList<Cancellation>();
    Query.each(
        database,
        "select number, id, outcome, kind, attempt, claimed_at, created_at, requested_by,"
            + " requested_by_oid, nonce, maintained, maintained_key from pgoffload.cancel_llm_requests(?, ?, ?, ?::oid[])",
        row -> {
          long id = row.getLong(2);
          switch (row.getString(3)) {
            case "held" -> asked.cancel(id);
            case "claimed" -> {
              claimed.add(id);
              end.end(
                  new CancelledRequest(
                      new RequestKey(id, row.getObject(10, UUID.class)),
                      row.getString(4),
                      row.getInt(5),
                      row.getTimestamp(6).toInstant(),
                      row.getTimestamp(7).toInstant(),
                      row.getString(8),
                      row.getLong(9),
                      maintained(row.getString(11), row.getArray(12))));
            }
            case "unknown" -> unknown.add(cancellations.get(row.getInt(1) - 1));
            // ended, or not theirs to cancel
            default -> {}
          }
        },
        lease.worker(),
        lease.epoch(),
        Query.array("bigint", cancellations, Cancellation::id),
        Query.array("bigint", cancellations, Cancellation::by));
    LOG.debug("Of {} cancellations, {} end here", cancellations.size(), claimed.size());
    return unknown;
  }

  private static @Nullable MaintainedRow maintained(@Nullable String name, @Nullable Array key)
      throws SQLException {
    return name == null || key == null
        ? null
        : new MaintainedRow(name, List.of((String[]) key.getArray()));
  }
}
