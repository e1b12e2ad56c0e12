package org.pgoffload.worker.delivery.commands;

import java.sql.SQLException;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedSet;

/// Cancellations that came before their request was recorded, so that nobody could tell whether
/// they count. They are obeyed once the request is recorded or claimed: the table of cancellations
/// alone is not enough, because a claim that is under way does not see what is added meanwhile.
///
/// Bounded. Any role may send any number, so the role that has most loses its oldest.
///
/// Safe to share between threads.
public final class EarlyCancellations {
  static final int MOST = 10_000;

  private final Map<Long, SequencedSet<Long>> byRequest = new HashMap<>();
  private final Map<Long, SequencedSet<Long>> byRole = new HashMap<>();
  private int count;

  /// Does what cancellations ask for, as far as it is theirs to ask.
  @FunctionalInterface
  public interface Obey {
    void obey(List<Cancellation> cancellations) throws SQLException;
  }

  /// Obeys what came before these requests were recorded or claimed, which they are by now.
  ///
  /// @throws SQLException if the database could not be asked: nothing is forgotten
  public void obey(Collection<Long> requests, Obey obey) throws SQLException {
    var early = requests.stream().flatMap(id -> of(id).stream()).toList();
    if (!early.isEmpty()) {
      obey.obey(early);
      early.forEach(this::forget);
    }
  }

  /// Remembers a cancellation.
  synchronized void add(Cancellation cancellation) {
    long id = cancellation.id();
    long by = cancellation.by();
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
        .ifPresent(most -> forget(new Cancellation(most.getValue().getFirst(), most.getKey())));
  }

  /// The cancellations of a request.
  synchronized List<Cancellation> of(long id) {
    var by = byRequest.get(id);
    return by == null ? List.of() : by.stream().map(each -> new Cancellation(id, each)).toList();
  }

  /// A cancellation was obeyed, as far as it counts.
  public synchronized void forget(Cancellation cancellation) {
    if (remove(byRequest, cancellation.id(), cancellation.by())) {
      remove(byRole, cancellation.by(), cancellation.id());
      count--;
    }
  }

  private static boolean remove(Map<Long, SequencedSet<Long>> sets, long key, long value) {
    var set = sets.get(key);
    if (set == null || !set.remove(value)) {
      return false;
    }
    if (set.isEmpty()) {
      sets.remove(key);
    }
    return true;
  }
}
