package org.pgoffload.connectors;

import io.debezium.connector.base.QueueProvider;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The records that Debezium's streaming thread has read and its task has not yet taken.
/// Thread-safe.
///
/// @param <T> the type of a record
final class AwaitedQueue<T> implements QueueProvider<T> {
  private final Queue<T> records = new ArrayDeque<>();

  @Override
  public String name() {
    return "awaited";
  }

  @Override
  public void configure(Map<String, ?> properties) {
    // Debezium asks for the size before it adds
  }

  @Override
  public synchronized void enqueue(T newest) {
    records.add(newest);
    notifyAll();
  }

  @Override
  public synchronized @Nullable T poll() {
    return records.poll();
  }

  @Override
  public synchronized int size() {
    return records.size();
  }

  /// Returns when there is a record, or the time is over.
  synchronized void await(Duration atMost) throws InterruptedException {
    var end = System.nanoTime() + atMost.toNanos();
    for (long left = atMost.toNanos();
        records.isEmpty() && left > 0;
        left = end - System.nanoTime()) {
      TimeUnit.NANOSECONDS.timedWait(this, left);
    }
  }
}
