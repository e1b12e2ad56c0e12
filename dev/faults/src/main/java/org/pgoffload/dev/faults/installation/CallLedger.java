package org.pgoffload.dev.faults.installation;

import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;

/// The stub's record of the calls that it got. Thread-safe.
public final class CallLedger {
  /// The calls that came for one request.
  ///
  /// @param came how many calls came for a request
  /// @param answered how many calls were answered in full
  public record Calls(int came, int answered) {
    public static final Calls NONE = new Calls(0, 0);
  }

  private static final class Entry {
    private final AtomicInteger came = new AtomicInteger();
    private final AtomicInteger answered = new AtomicInteger();
    private final AtomicInteger open = new AtomicInteger();
    private final AtomicLong lastAnswer = new AtomicLong(Long.MIN_VALUE);
  }

  private final Map<Tag, Entry> entries = new ConcurrentHashMap<>();

  void came(Tag tag) {
    var entry = entries.computeIfAbsent(tag, _ -> new Entry());
    entry.came.incrementAndGet();
    entry.open.incrementAndGet();
  }

  /// @param inFull whether the client was given the whole answer
  void ended(Tag tag, boolean inFull) {
    var entry = entries.computeIfAbsent(tag, _ -> new Entry());
    if (inFull) {
      entry.lastAnswer.set(System.nanoTime());
      entry.answered.incrementAndGet();
    }
    entry.open.decrementAndGet();
  }

  /// The calls that are under way, or were answered so lately that their results may not have been
  /// published: what may have to be repeated if the workers die now.
  public Set<Tag> underWay(Duration lately) {
    long now = System.nanoTime();
    return entries.entrySet().stream()
        .filter(entry -> isUnderWay(entry.getValue(), now, lately.toNanos()))
        .map(Map.Entry::getKey)
        .collect(Collectors.toSet());
  }

  private static boolean isUnderWay(Entry entry, long now, long lately) {
    long last = entry.lastAnswer.get();
    return entry.open.get() > 0 || (last != Long.MIN_VALUE && now - last < lately);
  }

  /// The calls of one run, by number.
  public Map<Integer, Calls> of(String run) {
    var calls = new ConcurrentHashMap<Integer, Calls>();
    entries.forEach((tag, entry) -> {
      if (tag.run().equals(run)) {
        calls.put(tag.number(), new Calls(entry.came.get(), entry.answered.get()));
      }
    });
    return Map.copyOf(calls);
  }
}
