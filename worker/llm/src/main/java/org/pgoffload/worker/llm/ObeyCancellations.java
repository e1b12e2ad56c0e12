package org.pgoffload.worker.llm;

import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import javax.sql.DataSource;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RequestKey;
import org.pgoffload.worker.delivery.commands.CommandHandler;
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
  private final EndCancelled end;

  /// Ends a request that this worker has claimed for nothing else, and says so to
  /// [InFlightRequests#endEnding] when its result is published.
  @FunctionalInterface
  interface EndCancelled {
    void end(CancelledRequest request);
  }

  /// A request that is ended without ever having been received here.
  record CancelledRequest(
      RequestKey key,
      String kind,
      int attempt,
      Instant claimedAt,
      Instant createdAt,
      String requestedBy,
      long requestedByOid) {
    long id() {
      return key.id();
    }
  }

  ObeyCancellations(DataSource database, Lease lease, InFlightRequests asked, EndCancelled end) {
    this.database = database;
    this.lease = lease;
    this.asked = asked;
    this.end = end;
  }

  @Override
  public List<Envelope> cancel(List<Envelope> commands) throws SQLException {
    var claimed = new HashSet<Long>();
    commands.forEach(command -> asked.beginEnding(command.id()));
    try {
      return ask(commands, claimed);
    } finally {
      commands.stream()
          .map(Envelope::id)
          .filter(id -> !claimed.contains(id))
          .forEach(asked::endEnding);
    }
  }

  /// @param claimed receives the ids of those that end here
  private List<Envelope> ask(List<Envelope> commands, Set<Long> claimed) throws SQLException {
    var unknown = new ArrayList<Envelope>();
    Query.each(
        database,
        "select number, id, outcome, kind, attempt, claimed_at, created_at, requested_by,"
            + " requested_by_oid, nonce from pgoffload.cancel_llm_requests(?, ?, ?, ?::oid[])",
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
                      row.getLong(9)));
            }
            case "unknown" -> unknown.add(commands.get(row.getInt(1) - 1));
            // ended, or not theirs to cancel
            default -> {}
          }
        },
        lease.worker(),
        lease.epoch(),
        Query.array("bigint", commands, Envelope::id),
        Query.array("bigint", commands, command -> command.requestedBy().userOid()));
    LOG.debug("Of {} cancellations, {} end here", commands.size(), claimed.size());
    return unknown;
  }
}
