package org.pgoffload.worker.llm;

import java.util.concurrent.atomic.AtomicInteger;

/// What one model has of the requests in flight. Guarded by [InFlightRequests], but for the number
/// of those that wait for their turn.
final class ModelShare {
  /// So many wait for their turn at the model, so that none of its places is free for long.
  static final int AHEAD = 1000;

  private int count;
  private long bytes;
  private final AtomicInteger ahead = new AtomicInteger();

  /// Whether more are begun until so many wait: not one by one, as each gets its turn.
  private boolean filling = true;

  void add(InFlightRequest request) {
    count++;
    bytes += request.request().size();
    request.countWhileAhead(ahead);
  }

  void remove(InFlightRequest request) {
    count--;
    bytes -= request.request().size();
  }

  boolean isUnused() {
    return count == 0;
  }

  /// How many more may begin. A model never has more than it leaves free, so that there is always
  /// room for others.
  ///
  /// @param free how many requests there is room for
  /// @param freeBytes and how many bytes
  int allowance(int free, long freeBytes) {
    int waiting = ahead.get();
    if (waiting >= AHEAD) {
      filling = false;
    } else if (waiting <= AHEAD / 2) {
      filling = true;
    }
    if (!filling || count > free || bytes > freeBytes) {
      return 0;
    }
    // each takes one of the free places
    return Math.min(AHEAD - waiting, (free - count) / 2 + 1);
  }
}
