package org.pgoffload.worker.sql.rows;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.pgoffload.worker.sql.sessions.RunningTask;
import org.pgoffload.worker.sql.sessions.StoppedException;

/// Sends the chunks of one attempt, many on their way at once, but only so many: they are in
/// memory.
///
/// For one thread.
final class PublishRows {
  /// For each task.
  private static final int MOST_BYTES_ON_THEIR_WAY = 2 << 20;

  private static final Duration LOOK_EVERY = Duration.ofMillis(200);

  private final long id;
  private final ResultsTopic topic;
  private final RunningTask running;
  private final Deque<Sent> sent = new ArrayDeque<>();
  private long bytesOnTheirWay;

  private static final class Sent {
    private final byte[] rows;
    private final Future<?> acknowledgement;

    Sent(byte[] rows, Future<?> acknowledgement) {
      this.rows = rows;
      this.acknowledgement = acknowledgement;
    }
  }

  /// @param id of the request
  PublishRows(long id, ResultsTopic topic, RunningTask running) {
    this.id = id;
    this.topic = topic;
    this.running = running;
  }

  /// Sends a chunk, once there is room for it.
  ///
  /// @throws InterruptedException if the worker is closing
  /// @throws StoppedException if the task is to stop
  void send(byte[] rows) throws InterruptedException, StoppedException {
    while (!sent.isEmpty() && bytesOnTheirWay + rows.length > MOST_BYTES_ON_THEIR_WAY) {
      awaitFirst();
    }
    sent.add(new Sent(rows, topic.begin(id, rows)));
    bytesOnTheirWay += rows.length;
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
        bytesOnTheirWay -= first.rows.length;
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
        acknowledgement = topic.begin(id, first.rows);
      }
    }
  }
}
