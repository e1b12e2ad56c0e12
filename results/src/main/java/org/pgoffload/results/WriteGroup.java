package org.pgoffload.results;

import java.sql.Array;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.Query;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes groups of messages on a connection of its own, each in one statement and one commit. For
/// one thread; only [#abort()] may be called by another.
final class WriteGroup {
  private static final Logger LOG = LoggerFactory.getLogger(WriteGroup.class);

  private final ConnectAsPart database;
  private volatile @Nullable Connection connection;

  WriteGroup(ConnectAsPart database) {
    this.database = database;
  }

  /// Writes a group in one transaction.
  ///
  /// @param wake whether callers that listen are notified
  /// @return the messages without a claim, of which nothing was written
  List<WaitingMessage> write(List<WaitingMessage> group, boolean wake) throws SQLException {
    var open = connected();
    var llmResults = new ArrayList<WaitingMessage>();
    var pieces = new ArrayList<WaitingMessage>();
    var usage = new ArrayList<WaitingMessage>();
    var sqlChunks = new ArrayList<WaitingMessage>();
    var sqlEnded = new ArrayList<WaitingMessage.SqlEnded>();
    for (var each : group) {
      switch (each) {
        case WaitingMessage.LlmResult result -> llmResults.add(result);
        case WaitingMessage.ReplacedResult result -> llmResults.add(result);
        case WaitingMessage.Piece piece -> pieces.add(piece);
        case WaitingMessage.Usage total -> usage.add(total);
        case WaitingMessage.SqlChunk chunk -> sqlChunks.add(chunk);
        case WaitingMessage.SqlEnded ended -> sqlEnded.add(ended);
      }
    }
    return Query.row(
        open,
        "select unclaimed_results, unclaimed_pieces, unclaimed_chunks, unclaimed_ended"
            + " from pgoffload.write_back(?, ?, ?, ?, ?, ?)",
        row -> {
          var unclaimed = new ArrayList<WaitingMessage>();
          addUnclaimed(row.getArray(1), llmResults, unclaimed);
          addUnclaimed(row.getArray(2), pieces, unclaimed);
          addUnclaimed(row.getArray(3), sqlChunks, unclaimed);
          addUnclaimed(row.getArray(4), sqlEnded, unclaimed);
          return unclaimed;
        },
        Query.array("text", llmResults, WaitingMessage::json),
        Query.array("text", pieces, WaitingMessage::json),
        Query.array("text", usage, WaitingMessage::json),
        Query.array("text", sqlChunks, WaitingMessage::json),
        Query.array("bigint", sqlEnded, WaitingMessage.SqlEnded::id),
        wake);
  }

  /// @param places from 1, or null for none
  private static void addUnclaimed(
      @Nullable Array places, List<? extends WaitingMessage> of, List<WaitingMessage> to)
      throws SQLException {
    if (places != null) {
      for (var place : (Integer[]) places.getArray()) {
        to.add(of.get(place - 1));
      }
    }
  }

  private Connection connected() throws SQLException {
    var open = connection;
    if (open == null) {
      // a server that has vanished is not waited for for ever; above the server's own timeout
      open = database.connect("pgoffload results", Duration.ofSeconds(75), Duration.ofSeconds(60));
      connection = open;
    }
    return open;
  }

  /// Closes the connection; the next group opens a new one.
  void disconnect() {
    var open = connection;
    if (open != null) {
      connection = null;
      try {
        open.close();
      } catch (SQLException e) {
        LOG.debug("The connection was broken already", e);
      }
    }
  }

  /// Ends a statement that waits, for a lock say, or that runs on a server that is not the primary
  /// any more.
  void abort() {
    var open = connection;
    if (open != null) {
      try {
        open.abort(Runnable::run);
      } catch (SQLException e) {
        LOG.debug("The connection was broken already", e);
      }
    }
  }
}
