package org.pgoffload.worker.delivery;

import java.util.TreeSet;

/// The offsets of one partition: how far it may be committed while its records finish out of order.
/// Only what lies below the lowest unfinished record may be.
///
/// Safe to share between threads.
final class OffsetWatermark {
  private final TreeSet<Long> unfinished = new TreeSet<>();
  private long next;
  private long committed;

  /// @param position where consumption begins
  OffsetWatermark(long position) {
    next = position;
    committed = position;
  }

  /// A record was received. Offsets come in ascending order.
  synchronized void begin(long offset) {
    unfinished.add(offset);
    next = offset + 1;
  }

  /// The consumer has gone on to a position without receiving what lies before it: the markers of
  /// transactions are no records.
  synchronized void passed(long position) {
    next = Math.max(next, position);
  }

  /// A record needs nothing any more. Idempotent.
  synchronized void finish(long offset) {
    unfinished.remove(offset);
  }

  /// The offset to commit: the lowest unfinished one, or the next to be received.
  synchronized long committable() {
    return unfinished.isEmpty() ? next : unfinished.first();
  }

  /// Whether a commit would move anything.
  synchronized boolean hasAdvanced() {
    return committable() > committed;
  }

  /// The commit of this offset has been asked for.
  synchronized void committed(long offset) {
    committed = Math.max(committed, offset);
  }
}
