package org.pgoffload.worker;

import java.sql.SQLException;
import java.time.Instant;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RequestKind;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Cancels LLM requests: what runs here is interrupted, what nobody has begun is ended by whichever
/// worker claims it first. Every other command, and the cancellation of what is no LLM request,
/// goes on to background SQL.
final class ObeyCancellations implements ListenToCommands.ObeyCommand {
  private static final Logger LOG = LoggerFactory.getLogger(ObeyCancellations.class);

  private final DataSource database;
  private final Lease lease;
  private final AskedRequests asked;
  private final EndCancelled end;
  private final ListenToCommands.@Nullable ObeyCommand sql;

  /// Ends a request that this worker has claimed for nothing else, and says so to
  /// [AskedRequests#endEnding] when its result is published.
  @FunctionalInterface
  interface EndCancelled {
    void end(CancelledRequest request);
  }

  /// A request that is ended without ever having been received here.
  record CancelledRequest(
      long id,
      String kind,
      int attempt,
      Instant claimedAt,
      Instant createdAt,
      String requestedBy,
      long requestedByOid) {}

  /// @param sql obeys what is about background SQL, or null where none is run
  ObeyCancellations(
      DataSource database,
      Lease lease,
      AskedRequests asked,
      EndCancelled end,
      ListenToCommands.@Nullable ObeyCommand sql) {
    this.database = database;
    this.lease = lease;
    this.asked = asked;
    this.end = end;
    this.sql = sql;
  }

  @Override
  public void obey(RequestKind kind, Envelope command) throws SQLException {
    if (kind == RequestKind.CANCEL && cancel(command)) {
      return;
    }
    if (sql != null) {
      sql.obey(kind, command);
    }
  }

  /// @return whether it is an LLM request
  private boolean cancel(Envelope command) throws SQLException {
    asked.beginEnding(command.id());
    boolean claimed = false;
    try {
      var outcome = ask(command);
      claimed = outcome.equals("claimed");
      return !outcome.equals("unknown");
    } finally {
      if (!claimed) {
        asked.endEnding(command.id());
      }
    }
  }

  private String ask(Envelope command) throws SQLException {
    try (var connection = database.getConnection();
        var statement =
            connection.prepareStatement(
                "select outcome, kind, attempt, claimed_at, created_at, requested_by,"
                    + " requested_by_oid from pgoffload.cancel_llm(?, ?, ?, ?::oid)")) {
      statement.setString(1, lease.worker());
      statement.setLong(2, lease.epoch());
      statement.setLong(3, command.id());
      statement.setLong(4, command.requestedBy().userOid());
      var row = statement.executeQuery();
      row.next();
      var outcome = row.getString(1);
      LOG.debug("The cancellation of request {} finds it {}", command.id(), outcome);
      switch (outcome) {
        case "held" -> asked.cancel(command.id());
        case "claimed" ->
            end.end(
                new CancelledRequest(
                    command.id(),
                    row.getString(2),
                    row.getInt(3),
                    row.getTimestamp(4).toInstant(),
                    row.getTimestamp(5).toInstant(),
                    row.getString(6),
                    row.getLong(7)));
        // unknown, ended, or not theirs to cancel
        default -> {}
      }
      return outcome;
    }
  }
}
