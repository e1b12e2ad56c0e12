package org.pgoffload.worker.sql;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.pgoffload.protocol.SqlRows;

/// Sends the chunks of one attempt, several on their way at once, but only so many: what they hold
/// is in memory.
///
/// For one thread.
final class PublishRows {
  /// With chunks of a megabyte so many megabytes, for each task.
  private static final int MOST_ON_THEIR_WAY = 4;

  private final ResultsTopic topic;
  private final Deque<Sent> sent = new ArrayDeque<>();

  private record Sent(SqlRows rows, Future<?> acknowledgement) {}

  PublishRows(ResultsTopic topic) {
    this.topic = topic;
  }

  /// Sends a chunk, once there is room for it.
  ///
  /// @throws InterruptedException if the worker is closing
  void send(SqlRows rows) throws InterruptedException {
    while (sent.size() >= MOST_ON_THEIR_WAY) {
      awaitFirst();
    }
    sent.add(new Sent(rows, topic.begin(rows)));
  }

  /// Waits until all have been acknowledged.
  ///
  /// @throws InterruptedException if the worker is closing
  void awaitAll() throws InterruptedException {
    while (!sent.isEmpty()) {
      awaitFirst();
    }
  }

  private void awaitFirst() throws InterruptedException {
    var first = sent.removeFirst();
    try {
      first.acknowledgement.get();
    } catch (ExecutionException e) {
      // its number is its place, whenever it comes
      topic.publish(first.rows);
    }
  }
}
