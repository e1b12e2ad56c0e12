package org.pgoffload.worker.sql.scheduling;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.sql.sessions.SqlLimits;
import org.pgoffload.worker.sql.sessions.SqlTask;

/// Chooses which of the tasks that were received may begin, in the order of their arrival: within
/// the limits of their depth, role and session, and one after another where they share an ordering
/// key. What is cancelled or past its deadline is chosen without any limit, since it only ends.
///
/// Every method takes time in the logarithm of what waits. Safe to share between threads.
public final class TaskScheduler {
  private final SqlLimits limits;
  private final Map<Long, Entry> all = new HashMap<>();
  private final Map<Object, ConcurrencyQuota> places = new HashMap<>();
  private final TreeMap<Integer, ConcurrencyQuota> depths = new TreeMap<>();
  private final Map<String, TreeMap<Long, Entry>> byOrderingKey = new HashMap<>();
  private final LinkedHashSet<Entry> toEnd = new LinkedHashSet<>();
  private final TreeSet<Entry> byDeadline =
      new TreeSet<>(Comparator.comparing(Entry::deadline).thenComparingLong(Entry::arrival));
  private long arrivals;
  private int waiting;

  /// @param limits of all tasks at one depth, and of those of one role
  public TaskScheduler(SqlLimits limits) {
    this.limits = limits;
  }

  private enum State {
    WAITING,
    RUNNING,
    HELD
  }

  /// Whose sessions the tasks run on: the role that logs in.
  private record Role(int depth, long oid) {}

  private record Session(Role role, @Nullable String key) {}

  private static final class Entry {
    private final SqlTask task;
    private final long arrival;
    private final Session session;
    private State state = State.WAITING;

    /// Whether it stands among those that its places may choose from.
    private boolean eligible;

    /// Whether it only ends: it is cancelled, or its deadline has passed.
    private boolean ends;

    private Entry(SqlTask task, long arrival) {
      this.task = task;
      this.arrival = arrival;
      var scheduling = task.scheduling();
      this.session =
          new Session(
              new Role(scheduling.depth(), task.launcher().loginOid()), scheduling.session());
    }

    private Instant deadline() {
      return task.deadline().orElse(Instant.MAX);
    }

    private long arrival() {
      return arrival;
    }
  }

  /// A task was received, and waits.
  public synchronized void add(SqlTask task) {
    var entry = new Entry(task, arrivals++);
    all.put(task.id(), entry);
    waiting++;
    if (task.deadline().isPresent()) {
      byDeadline.add(entry);
    }
    var key = task.scheduling().orderingKey();
    if (key != null) {
      byOrderingKey.computeIfAbsent(key, added -> new TreeMap<>()).put(entry.arrival, entry);
    }
    settle(entry);
  }

  /// Up to this many that may begin now. They count as running from here on.
  ///
  /// @param now what is past its deadline by now is chosen too
  public synchronized List<Long> choose(int atMost, Instant now) {
    endExpired(now);
    var chosen = new ArrayList<Long>();
    while (chosen.size() < atMost && !toEnd.isEmpty()) {
      chosen.add(begin(toEnd.getFirst()));
    }
    while (chosen.size() < atMost) {
      var next = first();
      if (next == null) {
        break;
      }
      chosen.add(begin(next));
    }
    return chosen;
  }

  /// What was chosen could not be claimed: it waits again, in its old place.
  public synchronized void putBack(long id) {
    var entry = all.get(id);
    if (entry != null && entry.state == State.RUNNING) {
      quotaOf(entry.session).free();
      entry.state = State.WAITING;
      waiting++;
      settle(entry);
      if (entry.ends) {
        toEnd.add(entry);
      }
    }
  }

  /// A task runs here, whether it was chosen or was another worker's before.
  public synchronized void running(long id) {
    var entry = all.get(id);
    if (entry != null && entry.state != State.RUNNING) {
      begin(entry);
    }
  }

  /// Another worker has it: it takes no place here, but others of its key go on waiting.
  public synchronized void held(long id) {
    var entry = all.get(id);
    if (entry != null) {
      leave(entry);
      entry.state = State.HELD;
    }
  }

  /// It needs nothing any more.
  public synchronized void finished(long id) {
    var entry = all.remove(id);
    if (entry == null) {
      return;
    }
    leave(entry);
    if (entry.task.deadline().isPresent()) {
      byDeadline.remove(entry);
    }
    var key = entry.task.scheduling().orderingKey();
    if (key != null) {
      var sameKey = byOrderingKey.get(key);
      if (sameKey != null) {
        sameKey.remove(entry.arrival);
        if (sameKey.isEmpty()) {
          byOrderingKey.remove(key);
        } else {
          settle(sameKey.firstEntry().getValue());
        }
      }
    }
  }

  /// It is cancelled: if it waits, it is chosen next.
  public synchronized void end(long id) {
    var entry = all.get(id);
    if (entry != null && entry.state == State.WAITING) {
      end(entry);
    }
  }

  private void end(Entry entry) {
    entry.ends = true;
    toEnd.add(entry);
  }

  /// Whether anything waits.
  public synchronized boolean hasWaiting() {
    return waiting > 0;
  }

  private void endExpired(Instant now) {
    while (!byDeadline.isEmpty() && !byDeadline.first().deadline().isAfter(now)) {
      var expired = byDeadline.removeFirst();
      if (expired.state == State.WAITING) {
        end(expired);
      }
    }
  }

  /// The earliest of all depths.
  private @Nullable Entry first() {
    Map.@Nullable Entry<Long, ConcurrencyQuota.Waiting> earliest = null;
    for (var depth : depths.values()) {
      var first = depth.first();
      if (first != null && (earliest == null || first.getKey() < earliest.getKey())) {
        earliest = first;
      }
    }
    return earliest == null ? null : all.get(earliest.getValue().id());
  }

  private long begin(Entry entry) {
    leave(entry);
    entry.state = State.RUNNING;
    quotaOf(entry.session).take();
    return entry.task.id();
  }

  /// Takes it from wherever its state has put it.
  private void leave(Entry entry) {
    switch (entry.state) {
      case WAITING -> {
        waiting--;
        toEnd.remove(entry);
        if (entry.eligible) {
          entry.eligible = false;
          quotaOf(entry.session).remove(entry.arrival);
        }
      }
      case RUNNING -> quotaOf(entry.session).free();
      case HELD -> {}
    }
    entry.state = State.HELD;
    forgetUnused(entry.session);
  }

  /// Lets a waiting task be chosen, unless an earlier one of its key is not finished.
  private void settle(Entry entry) {
    var scheduling = entry.task.scheduling();
    var key = scheduling.orderingKey();
    var sameKey = key == null ? null : byOrderingKey.get(key);
    boolean first = sameKey == null || sameKey.firstEntry().getValue() == entry;
    if (first && entry.state == State.WAITING && !entry.eligible) {
      entry.eligible = true;
      var most = scheduling.maxWorkers();
      quotaOf(entry.session)
          .add(
              entry.arrival,
              new ConcurrencyQuota.Waiting(
                  entry.task.id(),
                  most == null || scheduling.session() == null ? Integer.MAX_VALUE : most));
    }
  }

  private ConcurrencyQuota quotaOf(Session session) {
    var known = places.get(session);
    if (known == null) {
      known = new ConcurrencyQuota(quotaOf(session.role), Integer.MAX_VALUE);
      places.put(session, known);
    }
    return known;
  }

  private ConcurrencyQuota quotaOf(Role role) {
    var known = places.get(role);
    if (known == null) {
      var depth =
          depths.computeIfAbsent(
              role.depth, added -> new ConcurrencyQuota(null, limits.connections()));
      known = new ConcurrencyQuota(depth, limits.connectionsPerRole());
      places.put(role, known);
    }
    return known;
  }

  private void forgetUnused(Session session) {
    if (quotaOf(session).isUnused()) {
      places.remove(session);
      if (quotaOf(session.role).isUnused()) {
        places.remove(session.role);
      }
    }
  }
}
