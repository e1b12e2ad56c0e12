package org.pgoffload.worker.sql.rows;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.pgoffload.protocol.SqlRows;
import org.pgoffload.worker.sql.sessions.RunningTask;
import org.pgoffload.worker.sql.sessions.StoppedException;

/// Sends the chunks of one attempt, several on their way at once, but only so many: what they hold
/// is in memory.
///
/// For one thread.
final class PublishRows {
  /// With chunks of a megabyte so many megabytes, for each task.
  private static final int MOST_ON_THEIR_WAY = 4;

  private static final Duration LOOK_EVERY = Duration.ofMillis(200);

  private final ResultsTopic topic;
  private final RunningTask running;
  private final Deque<Sent> sent = new ArrayDeque<>();

  private record Sent(SqlRows rows, Future<?> acknowledgement) {}

  PublishRows(ResultsTopic topic, RunningTask running) {
    this.topic = topic;
    this.running = running;
  }

  /// Sends a chunk, once there is room for it.
  ///
  /// @throws InterruptedException if the worker is closing
  /// @throws StoppedException if the task is to stop
  void send(SqlRows rows) throws InterruptedException, StoppedException {
    while (sent.size() >= MOST_ON_THEIR_WAY) {
      awaitFirst();
    }
    sent.add(new Sent(rows, topic.begin(rows)));
  }

  /// Waits until all have been acknowledged.
  ///
  /// @throws InterruptedException if the worker is closing
  /// @throws StoppedException if the task is to stop
  void awaitAll() throws InterruptedException, StoppedException {
    while (!sent.isEmpty()) {
      awaitFirst();
    }
  }

  /// Sends again what was not taken: its number is its place, whenever it comes.
  private void awaitFirst() throws InterruptedException, StoppedException {
    var first = sent.removeFirst();
    var acknowledgement = first.acknowledgement;
    while (true) {
      try {
        acknowledgement.get(LOOK_EVERY.toMillis(), TimeUnit.MILLISECONDS);
        return;
      } catch (TimeoutException e) {
        running.goOn();
      } catch (ExecutionException e) {
        if (e.getCause() instanceof RecordTooLargeException) {
          throw new IllegalStateException(
              "the results topic takes no chunk of this size: see max.message.bytes", e);
        }
        running.goOn();
        Thread.sleep(LOOK_EVERY);
        acknowledgement = topic.begin(first.rows);
      }
    }
  }
}
