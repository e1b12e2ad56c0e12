package org.pgoffload.dev.faults.books;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.pgoffload.dev.faults.installation.Tag;

/// The requests of one run. Thread-safe.
public final class Journal {
  private final String run;
  private final Map<Integer, Asked> asked = new ConcurrentHashMap<>();
  private final AtomicInteger next = new AtomicInteger();

  public Journal(String run) {
    this.run = run;
  }

  public String run() {
    return run;
  }

  /// The tag of something new to be asked.
  public Tag next() {
    return new Tag(run, next.getAndIncrement());
  }

  /// How many numbers have been given.
  public int size() {
    return next.get();
  }

  public void write(Tag tag, Asked.Kind kind, Asked.Fate fate) {
    asked.put(tag.number(), new Asked(tag.number(), kind, fate));
  }

  public List<Asked> all() {
    return List.copyOf(asked.values());
  }
}
