package org.pgoffload.results;

import java.sql.Array;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.UUID;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.KeepPositions;
import org.pgoffload.platform.Query;
import org.pgoffload.platform.RepeatedRecords;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes groups of messages on a connection of its own, each in one statement and one commit. For
/// one thread; only [#abort()] may be called by another.
final class WriteGroup {
  private static final Logger LOG = LoggerFactory.getLogger(WriteGroup.class);

  /// The server's time for a statement, at first and at most. A server that has vanished without a
  /// word is given up soon, and a group that needs more gets twice as much in its next try.
  static final Duration LEAST_PATIENCE = Duration.ofSeconds(10);

  private static final Duration MOST_PATIENCE = Duration.ofSeconds(60);

  private final ConnectAsPart database;
  private final Duration leastPatience;
  private Duration patience;
  private final RepeatedRecords repeated = new RepeatedRecords();
  private final KeepPositions positions =
      new KeepPositions(this::run, repeated, () -> true, "Results");
  private volatile @Nullable Connection connection;

  /// @param leastPatience the usual one, and less for tests
  WriteGroup(ConnectAsPart database, Duration leastPatience) {
    this.database = database;
    this.leastPatience = leastPatience;
    this.patience = leastPatience;
  }

  /// Writes a group in one transaction, with the positions behind it. Where some are unclaimed, the
  /// positions are left to the next group.
  ///
  /// @param wake whether callers that listen are notified
  /// @return the messages without a claim, of which nothing was written
  List<WaitingMessage> write(List<WaitingMessage> group, boolean wake) throws SQLException {
    var open = connected();
    long begun = System.nanoTime();
    try {
      var unclaimed = write(open, group, wake);
      patience = leastPatience;
      return unclaimed.isEmpty() ? unclaimed : take(open, unclaimed);
    } catch (SQLException e) {
      if (System.nanoTime() - begun >= patience.toNanos()) {
        patience = Collections.min(List.of(patience.multipliedBy(2), MOST_PATIENCE));
      }
      if (DatabaseFault.is(e, DatabaseFault.READ_ONLY_TRANSACTION)) {
        positions.failedOver();
      }
      throw e;
    }
  }

  private List<WaitingMessage> write(Connection open, List<WaitingMessage> group, boolean wake)
      throws SQLException {
    var llmResults = new ArrayList<WaitingMessage>();
    var pieces = new ArrayList<WaitingMessage>();
    var usage = new ArrayList<WaitingMessage>();
    var sqlChunks = new ArrayList<WaitingMessage>();
    var sqlEnded = new ArrayList<WaitingMessage.SqlEnded>();
    var nextOffsets = new HashMap<TopicPartition, Long>();
    for (var each : group) {
      switch (each) {
        case WaitingMessage.LlmResult result -> llmResults.add(result);
        case WaitingMessage.ReplacedResult result -> llmResults.add(result);
        case WaitingMessage.Piece piece -> pieces.add(piece);
        case WaitingMessage.Usage total -> usage.add(total);
        case WaitingMessage.SqlChunk chunk -> sqlChunks.add(chunk);
        case WaitingMessage.SqlEnded ended -> sqlEnded.add(ended);
      }
      var record = each.record();
      nextOffsets.put(new TopicPartition(record.topic(), record.partition()), record.offset() + 1);
    }
    var unclaimed =
        Query.row(
            open,
            "select unclaimed_results, unclaimed_pieces, unclaimed_chunks, unclaimed_ended"
                + " from pgoffload.write_messages(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row -> {
              var without = new ArrayList<WaitingMessage>();
              addUnclaimed(row.getArray(1), llmResults, without);
              addUnclaimed(row.getArray(2), pieces, without);
              addUnclaimed(row.getArray(3), sqlChunks, without);
              addUnclaimed(row.getArray(4), sqlEnded, without);
              return without;
            },
            Query.array("text", llmResults, WaitingMessage::json),
            Query.array("text", pieces, WaitingMessage::json),
            Query.array("text", usage, WaitingMessage::json),
            Query.array("text", sqlChunks, WaitingMessage::json),
            Query.array("bigint", sqlEnded, WaitingMessage.SqlEnded::id),
            Query.array("uuid", sqlEnded, WaitingMessage.SqlEnded::nonce),
            wake,
            Query.array("text", nextOffsets.keySet(), TopicPartition::topic),
            Query.array("integer", nextOffsets.keySet(), TopicPartition::partition),
            Query.array("bigint", nextOffsets.values()),
            positions.token());
    if (unclaimed.isEmpty()) {
      positions.recorded(nextOffsets);
    }
    return unclaimed;
  }

  /// Has results taken whose claims may be lost in a fail-over, here or with the records that came
  /// before it.
  ///
  /// @return the rest; pieces and chunks of rows of before it are nobody's any more
  private List<WaitingMessage> take(Connection open, List<WaitingMessage> unclaimed)
      throws SQLException {
    var left = new ArrayList<WaitingMessage>();
    var results = new ArrayList<WaitingMessage>();
    for (var each : unclaimed) {
      switch (each) {
        case WaitingMessage.LlmResult _,
            WaitingMessage.ReplacedResult _,
            WaitingMessage.SqlEnded _ ->
            results.add(each);
        case WaitingMessage.Piece _, WaitingMessage.Usage _, WaitingMessage.SqlChunk _ -> {
          if (!repeated.contains(each.record())) {
            left.add(each);
          }
        }
      }
    }
    if (!results.isEmpty()) {
      var taken =
          Query.rows(
              open,
              "select pgoffload.take_results(?, ?, ?, ?, ?, ?)",
              row -> row.getInt(1),
              // all are of the topic of results
              results.getFirst().record().topic(),
              Query.array("integer", results, each -> each.record().partition()),
              Query.array("bigint", results, each -> each.record().offset()),
              Query.array("text", results, WaitingMessage::json),
              Query.array("boolean", results, each -> each instanceof WaitingMessage.SqlEnded),
              Query.array("boolean", results, each -> repeated.contains(each.record())));
      for (int i = 0; i < results.size(); i++) {
        if (!taken.contains(i + 1)) {
          left.add(results.get(i));
        }
      }
    }
    return left;
  }

  /// Where the positions of the consumer are kept.
  KeepPositions positions() {
    return positions;
  }

  private void run(KeepPositions.Work work) throws SQLException {
    try {
      work.run(connected());
    } catch (SQLException e) {
      disconnect();
      throw e;
    }
  }

  /// A result on the topic that stands for nothing in the database any more.
  record Withdrawn(TopicPartition partition, long offset, long id, @Nullable UUID nonce) {}

  /// The results that readers of the topic are to be told of, some of them.
  ///
  /// @param requestTopics of LLM requests: what was before the last fail-over has to be worked off
  List<Withdrawn> toWithdraw(List<String> requestTopics, int most) throws SQLException {
    return Query.rows(
        connected(),
        "select topic, partition, record_offset, id, nonce from pgoffload.results_to_withdraw(?, ?)",
        row ->
            new Withdrawn(
                new TopicPartition(row.getString(1), row.getInt(2)),
                row.getLong(3),
                row.getLong(4),
                row.getObject(5, UUID.class)),
        Query.array("text", requestTopics),
        most);
  }

  /// Readers of the topic have been told.
  void withdrawn(List<Withdrawn> results) throws SQLException {
    Query.execute(
        connected(),
        "select pgoffload.end_withdrawal(?, ?, ?)",
        Query.array("text", results, each -> each.partition.topic()),
        Query.array("integer", results, each -> each.partition.partition()),
        Query.array("bigint", results, Withdrawn::offset));
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
      open = database.connect("pgoffload results", patience.plusSeconds(2), patience);
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
