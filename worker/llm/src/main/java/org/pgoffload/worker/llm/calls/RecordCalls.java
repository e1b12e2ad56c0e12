package org.pgoffload.worker.llm.calls;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.pgoffload.protocol.Call;

/// Writes down the calls of one request. A vendor may refuse for a day, and the result has to fit
/// its topic: of a long row the first ones stay, which say why, and the last ones, which say how it
/// stands; between them calls that ended alike become one entry. Sums are never shortened. Not
/// thread-safe.
public final class RecordCalls {
  static final int MOST_ENTRIES = 100;

  private static final int FIRST = MOST_ENTRIES / 10;

  private final List<Call> entries = new ArrayList<>();

  /// @param before which another worker has made
  public RecordCalls(List<Call> before) {
    before.forEach(this::add);
  }

  public void add(Call call) {
    entries.add(call);
    if (entries.size() > MOST_ENTRIES) {
      shorten();
    }
  }

  /// In order.
  public List<Call> entries() {
    return List.copyOf(entries);
  }

  /// How many calls were made.
  public int count() {
    return entries.stream().mapToInt(call -> call.times() == null ? 1 : call.times()).sum();
  }

  private void shorten() {
    for (int later = FIRST + 1; later < entries.size(); later++) {
      for (int earlier = FIRST; earlier < later; earlier++) {
        if (isAlike(entries.get(earlier), entries.get(later))) {
          join(earlier, later);
          return;
        }
      }
    }
    // a hundred kinds of failure: what is lost is of whom
    join(FIRST, FIRST + 1);
  }

  private void join(int earlier, int later) {
    entries.set(earlier, entries.get(earlier).and(entries.remove(later)));
  }

  private static boolean isAlike(Call one, Call other) {
    return one.provider().equals(other.provider())
        && one.model().equals(other.model())
        && Objects.equals(one.errorCode(), other.errorCode());
  }
}
