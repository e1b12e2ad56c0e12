package org.pgoffload.dev.faults;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/// What was asked in one run. Thread-safe.
final class Journal {
  private final String run;
  private final Map<Integer, Asked> asked = new ConcurrentHashMap<>();
  private final AtomicInteger next = new AtomicInteger();

  Journal(String run) {
    this.run = run;
  }

  String run() {
    return run;
  }

  /// The tag of something new to be asked.
  Tag next() {
    return new Tag(run, next.getAndIncrement());
  }

  void write(Tag tag, Asked.Kind kind, Asked.Fate fate) {
    asked.put(tag.number(), new Asked(tag.number(), kind, fate));
  }

  List<Asked> all() {
    return List.copyOf(asked.values());
  }
}
