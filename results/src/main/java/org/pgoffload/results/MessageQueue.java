package org.pgoffload.results;

import io.opentelemetry.api.trace.Span;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/// The messages between the threads that take them from Kafka and the thread that writes them. A
/// slow database makes the takers wait, which bounds the memory. Thread-safe.
final class MessageQueue {
  private static final int MOST_RESULTS = 1000;
  private static final long MOST_BYTES = 32L << 20;
  private static final long MOST_BYTES_QUEUED = 128L << 20;

  /// A message in the queue.
  ///
  /// @param since when it was taken, by the JVM's clock
  /// @param span ends with the commit
  record Queued(WaitingMessage message, long since, Span span) {}

  private final CountDownLatch closing = new CountDownLatch(1);
  private final ReentrantLock lock = new ReentrantLock();

  /// The queue, the counts or the closing have changed.
  private final Condition changed = lock.newCondition();

  // guarded by the lock
  private final ArrayDeque<Queued> queue = new ArrayDeque<>();
  private long bytesQueued;
  private long accepted;
  private long written;

  /// Takes a message. Waits while too much is queued.
  ///
  /// @throws WriteBackClosedException if the queue is closing
  void add(WaitingMessage next, Span span) {
    lock.lock();
    try {
      while (bytesQueued > MOST_BYTES_QUEUED && !isClosing()) {
        changed.awaitUninterruptibly();
      }
      if (isClosing()) {
        throw new WriteBackClosedException();
      }
      queue.add(new Queued(next, System.nanoTime(), span));
      bytesQueued += next.bytes();
      accepted++;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /// Waits until everything that was taken before this call is written.
  ///
  /// @throws WriteBackClosedException if it closes before that
  void flush() {
    lock.lock();
    try {
      long target = accepted;
      while (written < target && !isClosing()) {
        changed.awaitUninterruptibly();
      }
      if (written < target) {
        throw new WriteBackClosedException();
      }
    } finally {
      lock.unlock();
    }
  }

  /// Takes the next group out; waits for one. Empty if the queue is closing.
  List<Queued> next() {
    lock.lock();
    try {
      while (queue.isEmpty() && !isClosing()) {
        changed.awaitUninterruptibly();
      }
      var group = new ArrayList<Queued>();
      long bytes = 0;
      while (!isClosing()
          && !queue.isEmpty()
          && group.size() < MOST_RESULTS
          && bytes < MOST_BYTES) {
        var next = queue.remove();
        group.add(next);
        bytes += next.message.bytes();
      }
      bytesQueued -= bytes;
      changed.signalAll();
      return group;
    } finally {
      lock.unlock();
    }
  }

  /// Counts messages as committed.
  void written(int count) {
    lock.lock();
    try {
      written += count;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /// How many messages were taken and are not committed.
  long unwritten() {
    lock.lock();
    try {
      return accepted - written;
    } finally {
      lock.unlock();
    }
  }

  boolean isClosing() {
    return closing.getCount() == 0;
  }

  /// Whether the queue has begun to close within this time.
  boolean awaitClosing(Duration atMost) throws InterruptedException {
    return closing.await(atMost.toMillis(), TimeUnit.MILLISECONDS);
  }

  /// Wakes every thread that waits.
  void close() {
    lock.lock();
    try {
      closing.countDown();
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }
}
