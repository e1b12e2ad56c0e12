package org.pgoffload.worker.delivery.scheduling;

import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// A quota of places to run in, shared by all below it, such as those of a role by its sessions.
/// Each offers the earliest of what is below and may begin to what is above it, so that choosing
/// looks at nothing that has to wait.
///
/// For one thread.
///
/// @param <P> a place
public final class ConcurrencyQuota<P> {
  private static final long NOTHING = Long.MAX_VALUE;

  private final @Nullable ConcurrencyQuota<P> above;
  private final int places;
  private int taken;

  /// What waits, by the number of its arrival: the turns themselves, or the earliest of each below.
  private final TreeMap<Long, Waiting<P>> waiting = new TreeMap<>();

  private long offered = NOTHING;

  /// What waits.
  ///
  /// @param most how many of what it shares the lowest quota with may run at once
  public record Waiting<P>(Turn<P> turn, int most) {}

  /// @param above the quota that this one is part of, or null
  /// @param places that there are here
  public ConcurrencyQuota(@Nullable ConcurrencyQuota<P> above, int places) {
    this.above = above;
    this.places = places;
  }

  /// It waits, and is offered when it is the earliest.
  public void add(long arrival, Waiting<P> task) {
    waiting.put(arrival, task);
    offer();
  }

  /// It does not wait any more.
  public void remove(long arrival) {
    waiting.remove(arrival);
    offer();
  }

  /// A turn has taken a place here, and so in all above.
  public void take() {
    for (var each = this; each != null; each = each.above) {
      each.taken++;
      each.offer();
    }
  }

  /// A turn has left its place.
  public void free() {
    for (var each = this; each != null; each = each.above) {
      each.taken--;
      each.offer();
    }
  }

  /// The earliest that may begin, by the number of its arrival, or null.
  public Map.@Nullable Entry<Long, Waiting<P>> first() {
    var first = waiting.firstEntry();
    return first == null || taken >= Math.min(places, first.getValue().most) ? null : first;
  }

  /// How many wait here: of what is below, one each that offers a turn.
  public int waiting() {
    return waiting.size();
  }

  /// How many places are taken.
  public int taken() {
    return taken;
  }

  /// How many there are for the earliest that waits.
  public int places() {
    var first = waiting.firstEntry();
    return first == null ? places : Math.min(places, first.getValue().most);
  }

  /// Whether nothing waits or runs here.
  public boolean isUnused() {
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
        above.waiting.put(next, new Waiting<>(first.getValue().turn, Integer.MAX_VALUE));
      }
      above.offer();
    }
  }
}
