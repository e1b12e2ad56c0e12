package org.pgoffload.worker.sql;

import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Cancellations that came before their request was recorded, so that nobody could tell whether
/// they count. They are obeyed once the request is recorded or claimed: the table of cancellations
/// alone is not enough, because a claim that is under way does not see what is added meanwhile.
///
/// Bounded. Any role may send any number, so the role that has most loses its oldest.
///
/// Safe to share between threads.
final class EarlyCancellations {
  static final int MOST = 10_000;

  private final Map<Long, Set<Long>> byRequest = new HashMap<>();
  private final Map<Long, Set<Long>> byRole = new HashMap<>();
  private int count;

  /// Remembers a cancellation.
  ///
  /// @param by the oid of the role that wants it cancelled
  synchronized void add(long id, long by) {
    if (byRequest.computeIfAbsent(id, _ -> new LinkedHashSet<>()).add(by)) {
      byRole.computeIfAbsent(by, _ -> new LinkedHashSet<>()).add(id);
      if (++count > MOST) {
        forgetOldest();
      }
    }
  }

  private void forgetOldest() {
    byRole.entrySet().stream()
        .max(Comparator.comparingInt(each -> each.getValue().size()))
        .ifPresent(most -> remove(most.getValue().iterator().next(), most.getKey()));
  }

  private void remove(long id, long by) {
    remove(byRequest, id, by);
    remove(byRole, by, id);
    count--;
  }

  private static void remove(Map<Long, Set<Long>> sets, long key, long value) {
    var set = sets.get(key);
    if (set != null && set.remove(value) && set.isEmpty()) {
      sets.remove(key);
    }
  }

  /// The oids of the roles that want a request cancelled.
  synchronized List<Long> of(long id) {
    return List.copyOf(byRequest.getOrDefault(id, Set.of()));
  }

  /// The cancellations of a request were obeyed, as far as they count.
  synchronized void forget(long id) {
    of(id).forEach(by -> remove(id, by));
  }
}
