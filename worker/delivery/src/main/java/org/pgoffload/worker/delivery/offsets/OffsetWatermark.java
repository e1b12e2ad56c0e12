package org.pgoffload.worker.delivery.offsets;

import java.util.BitSet;
import java.util.TreeMap;

/// The offsets of one partition: how far it may be committed while its records finish out of order.
/// Only what lies below the lowest unfinished record may be. An unfinished record takes a bit, in a
/// page of its neighbours.
///
/// Safe to share between threads.
final class OffsetWatermark {
  private static final int PAGE_BITS = 12;
  private static final int IN_PAGE = (1 << PAGE_BITS) - 1;

  private final TreeMap<Long, BitSet> unfinished = new TreeMap<>();
  private long next;
  private long committed;

  /// @param position where consumption begins
  OffsetWatermark(long position) {
    next = position;
    committed = position;
  }

  /// A record was received. Offsets come in ascending order.
  synchronized void begin(long offset) {
    unfinished
        .computeIfAbsent(offset >> PAGE_BITS, _ -> new BitSet())
        .set((int) (offset & IN_PAGE));
    next = offset + 1;
  }

  /// Whether a record lies before what was received: Kafka has lost records, and the consumer has
  /// begun anew.
  synchronized boolean isPast(long offset) {
    return offset < next;
  }

  /// The consumer has gone on to a position without receiving what lies before it: the markers of
  /// transactions are no records.
  synchronized void passed(long position) {
    next = Math.max(next, position);
  }

  /// A record needs nothing any more. Idempotent.
  synchronized void finish(long offset) {
    var page = unfinished.get(offset >> PAGE_BITS);
    if (page != null) {
      page.clear((int) (offset & IN_PAGE));
      if (page.isEmpty()) {
        unfinished.remove(offset >> PAGE_BITS);
      }
    }
  }

  /// The offset to commit: the lowest unfinished one, or the next to be received.
  synchronized long committable() {
    var first = unfinished.firstEntry();
    return first == null ? next : (first.getKey() << PAGE_BITS) + first.getValue().nextSetBit(0);
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
