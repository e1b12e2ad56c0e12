package org.pgoffload.worker.delivery.scheduling;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// Chooses which of the received requests may begin: as their places allow, and one after another
/// where they share an ordering key. What is cancelled or past its deadline is chosen without any
/// limit, since it only ends. What is paused waits, and takes no place from others.
///
/// Every method but [#pause] takes time in the logarithm of what waits, besides that of the places.
/// Safe to share between threads. Longer than 300 lines because turns, ordering keys, deadlines and
/// pauses decide together, under one lock.
///
/// @param <P> the place that a request takes while it runs
public class RequestScheduler<P> {
  private static final int MOST_KNOWN = 1000;

  private final Places<P> places;
  private final KeyOrder keyOrder;
  private final Map<Long, Turn<P>> all = new HashMap<>();
  private final Map<String, TreeMap<Long, Turn<P>>> byOrderingKey = new HashMap<>();
  private final LinkedHashSet<Turn<P>> toEnd = new LinkedHashSet<>();
  private final TreeSet<Turn<P>> byDeadline =
      new TreeSet<>(
          Comparator.<Turn<P>>comparingLong(Turn::deadline).thenComparingLong(Turn::arrival));

  /// One of each that are the same.
  private final Map<Pausable, Pausable> known = new HashMap<>();

  private Pauses paused = Pauses.NONE;
  private long arrivals;
  private int waiting;

  /// How long a request keeps the later ones of its ordering key waiting.
  public enum KeyOrder {
    UNTIL_IT_HAS_BEGUN,
    UNTIL_IT_HAS_FINISHED
  }

  public RequestScheduler(Places<P> places, KeyOrder keyOrder) {
    this.places = places;
    this.keyOrder = keyOrder;
  }

  /// A request was received, and waits.
  ///
  /// @param pausable what can be paused of it
  /// @param deadline when it only ends, or null
  public final synchronized void add(
      long id,
      P place,
      Pausable pausable,
      @Nullable String orderingKey,
      @Nullable Instant deadline) {
    var key = orderingKey == null ? null : ShortName.of(orderingKey);
    if (known.size() > MOST_KNOWN) {
      known.clear();
    }
    var shared = known.computeIfAbsent(pausable, each -> each);
    var turn = new Turn<>(id, arrivals++, place, shared, key, deadline);
    all.put(id, turn);
    waiting++;
    if (deadline != null) {
      byDeadline.add(turn);
    }
    keepOrder(turn);
    settle(turn);
  }

  /// Up to this many that may begin now. They count as running from here on.
  ///
  /// @param now what is past its deadline by now is chosen too
  public final synchronized List<Long> choose(int atMost, Instant now) {
    endExpired(Turn.millis(now));
    var chosen = new ArrayList<Long>();
    // a backlog that expires at once leaves the half to what begins
    chooseToEnd((atMost + 1) / 2, chosen);
    places.choosing();
    while (chosen.size() < atMost) {
      var next = places.next();
      if (next == null) {
        break;
      }
      chosen.add(begin(next));
    }
    chooseToEnd(atMost, chosen);
    return chosen;
  }

  private void chooseToEnd(int atMost, List<Long> chosen) {
    while (chosen.size() < atMost && !toEnd.isEmpty()) {
      chosen.add(begin(toEnd.getFirst()));
    }
  }

  /// What was chosen could not begin: it waits again, in its old place.
  public final synchronized void putBack(long id) {
    var turn = all.get(id);
    if (turn != null && turn.state() == Turn.State.RUNNING) {
      places.free(turn);
      turn.state(Turn.State.WAITING);
      waiting++;
      keepOrder(turn);
      settle(turn);
      if (turn.ends()) {
        toEnd.add(turn);
      }
    }
  }

  /// Those that cannot begin yet, though they were chosen, and the later ones of their ordering
  /// keys, which may not begin before them.
  ///
  /// @param chosen all that were chosen
  /// @param delayed those of them that cannot begin yet
  /// @return in the order of the chosen
  public final synchronized List<Long> delayedWith(Collection<Long> delayed, List<Long> chosen) {
    if (delayed.isEmpty()) {
      return List.of();
    }
    var firsts = new HashMap<String, Long>();
    for (long id : delayed) {
      var turn = all.get(id);
      var key = turn == null ? null : turn.orderingKey();
      if (turn != null && key != null) {
        firsts.merge(key, turn.arrival(), Math::min);
      }
    }
    var ids = Set.copyOf(delayed);
    return chosen.stream()
        .filter(id -> ids.contains(id) || comesAfter(all.get(id), firsts))
        .toList();
  }

  private static boolean comesAfter(@Nullable Turn<?> turn, Map<String, Long> firsts) {
    var key = turn == null ? null : turn.orderingKey();
    var first = key == null ? null : firsts.get(key);
    return turn != null && first != null && !turn.ends() && turn.arrival() > first;
  }

  /// A request runs here, whether it was chosen or was another worker's before.
  public final synchronized void running(long id) {
    var turn = all.get(id);
    if (turn != null && turn.state() != Turn.State.RUNNING) {
      begin(turn);
    }
  }

  /// Another worker has it: it takes no place here, but others of its key go on waiting for its
  /// end, if they wait for that.
  public final synchronized void held(long id) {
    var turn = all.get(id);
    if (turn != null) {
      leave(turn);
      if (keyOrder == KeyOrder.UNTIL_IT_HAS_BEGUN) {
        letTheNextOfItsKey(turn);
      }
    }
  }

  /// It needs nothing any more.
  public final synchronized void finished(long id) {
    var turn = all.remove(id);
    if (turn == null) {
      return;
    }
    leave(turn);
    byDeadline.remove(turn);
    letTheNextOfItsKey(turn);
  }

  /// It is cancelled: if it waits, or is put back, it is chosen next.
  public final synchronized void end(long id) {
    var turn = all.get(id);
    if (turn != null) {
      end(turn);
    }
  }

  /// What was chosen may be put back, and ends then.
  private void end(Turn<P> turn) {
    turn.end();
    if (turn.state() == Turn.State.WAITING) {
      toEnd.add(turn);
    }
  }

  /// From now on these are not begun, unless they only end, and those of before may be. One look at
  /// each request.
  public final synchronized void pause(Pauses now) {
    paused = now;
    for (var turn : all.values()) {
      if (paused.hold(turn.pausable())) {
        unsettle(turn);
      } else {
        settle(turn);
      }
    }
  }

  /// Whether a request is not to begin, wherever it waits.
  public final synchronized boolean isPaused(long id) {
    var turn = all.get(id);
    return turn != null && !turn.ends() && paused.hold(turn.pausable());
  }

  /// Adds how many wait, and for which places.
  public final synchronized void tell(ObjectNode queue) {
    queue.put("waiting", waiting);
    places.tell(queue);
  }

  /// Whether anything waits.
  public final synchronized boolean hasWaiting() {
    return waiting > 0;
  }

  private void endExpired(long now) {
    while (!byDeadline.isEmpty() && byDeadline.first().deadline() <= now) {
      end(byDeadline.removeFirst());
    }
  }

  private long begin(Turn<P> turn) {
    leave(turn);
    turn.state(Turn.State.RUNNING);
    places.take(turn);
    if (keyOrder == KeyOrder.UNTIL_IT_HAS_BEGUN) {
      letTheNextOfItsKey(turn);
    }
    return turn.id();
  }

  /// Takes it from wherever its state has put it.
  private void leave(Turn<P> turn) {
    switch (turn.state()) {
      case WAITING -> {
        waiting--;
        toEnd.remove(turn);
        unsettle(turn);
      }
      case RUNNING -> places.free(turn);
      case HELD -> {}
    }
    turn.state(Turn.State.HELD);
  }

  private void keepOrder(Turn<P> turn) {
    var key = turn.orderingKey();
    if (key != null) {
      var sameKey = byOrderingKey.computeIfAbsent(key, _ -> new TreeMap<>());
      sameKey.put(turn.arrival(), turn);
      var next = sameKey.higherEntry(turn.arrival());
      if (next != null) {
        // it was let go when this one was chosen
        unsettle(next.getValue());
      }
    }
  }

  private void unsettle(Turn<P> turn) {
    if (turn.eligible()) {
      turn.eligible(false);
      places.remove(turn);
    }
  }

  private void letTheNextOfItsKey(Turn<P> turn) {
    var key = turn.orderingKey();
    var sameKey = key == null ? null : byOrderingKey.get(key);
    if (sameKey == null) {
      return;
    }
    sameKey.remove(turn.arrival());
    if (sameKey.isEmpty()) {
      byOrderingKey.remove(key);
    } else {
      settle(sameKey.firstEntry().getValue());
    }
  }

  /// Lets a waiting request be chosen, unless an earlier one of its key keeps it waiting, or it is
  /// paused.
  private void settle(Turn<P> turn) {
    var key = turn.orderingKey();
    var sameKey = key == null ? null : byOrderingKey.get(key);
    boolean first = sameKey == null || sameKey.firstEntry().getValue() == turn;
    if (first
        && turn.state() == Turn.State.WAITING
        && !turn.eligible()
        && !paused.hold(turn.pausable())) {
      turn.eligible(true);
      places.add(turn);
    }
  }
}
