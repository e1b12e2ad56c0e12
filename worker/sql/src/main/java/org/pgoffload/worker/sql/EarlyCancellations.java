package org.pgoffload.worker.sql;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Cancellations that came before their request was recorded, so that nobody could tell whether
/// they count. Bounded: what is forgotten here is obeyed by the claim.
///
/// Safe to share between threads.
final class EarlyCancellations {
  private static final int MOST = 10_000;

  private final Map<Long, Set<Long>> byRequest = new LinkedHashMap<>();

  /// Remembers a cancellation.
  ///
  /// @param by the oid of the role that wants it cancelled
  synchronized void add(long id, long by) {
    byRequest.computeIfAbsent(id, added -> new LinkedHashSet<>()).add(by);
    if (byRequest.size() > MOST) {
      byRequest.remove(byRequest.keySet().iterator().next());
    }
  }

  /// The oids of the roles that want a request cancelled.
  synchronized List<Long> of(long id) {
    return List.copyOf(byRequest.getOrDefault(id, Set.of()));
  }

  /// The cancellations of a request are recorded.
  synchronized void forget(long id) {
    byRequest.remove(id);
  }
}
