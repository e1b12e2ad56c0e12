package org.pgoffload.worker.delivery.waiting;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.function.ToLongFunction;

/// Chooses what is told of many.
public final class Largest {
  private Largest() {}

  /// The [TellWaiting#MOST] with the largest size, the largest first; of none is told what has no
  /// size. One look at each.
  public static <T> List<T> of(Collection<T> all, ToLongFunction<T> size) {
    var bySize = Comparator.comparingLong(size);
    var largest = new PriorityQueue<T>(TellWaiting.MOST + 1, bySize);
    for (var each : all) {
      if (size.applyAsLong(each) > 0) {
        largest.add(each);
        if (largest.size() > TellWaiting.MOST) {
          largest.remove();
        }
      }
    }
    return largest.stream().sorted(bySize.reversed()).toList();
  }
}
