package org.pgoffload.worker.sql.scheduling;

import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.delivery.scheduling.Turn;

/// A quota of places to run in, shared by all below it: those of a depth by its roles, those of a
/// role by its sessions, those of a session by its tasks. Each offers the earliest of what is below
/// and may begin to what is above it, so that choosing looks at no task that has to wait.
///
/// For one thread.
final class ConcurrencyQuota {
  private static final long NOTHING = Long.MAX_VALUE;

  private final @Nullable ConcurrencyQuota above;
  private final int places;
  private int taken;

  /// What waits, by the number of its arrival: the tasks themselves, or the earliest of each below.
  private final TreeMap<Long, Waiting> waiting = new TreeMap<>();

  private long offered = NOTHING;

  /// A task that waits.
  ///
  /// @param mostOfSession how many of its session may run at once
  record Waiting(Turn<TaskPlaces.Place> turn, int mostOfSession) {}

  ConcurrencyQuota(@Nullable ConcurrencyQuota above, int places) {
    this.above = above;
    this.places = places;
  }

  void add(long arrival, Waiting task) {
    waiting.put(arrival, task);
    offer();
  }

  void remove(long arrival) {
    waiting.remove(arrival);
    offer();
  }

  /// A task has taken a place here, and so in all above.
  void take() {
    for (var each = this; each != null; each = each.above) {
      each.taken++;
      each.offer();
    }
  }

  /// A task has left its place.
  void free() {
    for (var each = this; each != null; each = each.above) {
      each.taken--;
      each.offer();
    }
  }

  /// The earliest that may begin, by the number of its arrival, or null.
  Map.@Nullable Entry<Long, Waiting> first() {
    var first = waiting.firstEntry();
    return first == null || taken >= Math.min(places, first.getValue().mostOfSession)
        ? null
        : first;
  }

  /// Whether nothing waits or runs here.
  boolean isUnused() {
    return taken == 0 && waiting.isEmpty();
  }

  private void offer() {
    if (above == null) {
      return;
    }
    var first = first();
    long next = first == null ? NOTHING : first.getKey();
    if (next != offered) {
      if (offered != NOTHING) {
        above.waiting.remove(offered);
      }
      offered = next;
      if (first != null) {
        above.waiting.put(next, new Waiting(first.getValue().turn, Integer.MAX_VALUE));
      }
      above.offer();
    }
  }
}
