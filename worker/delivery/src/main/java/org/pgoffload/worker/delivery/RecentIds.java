package org.pgoffload.worker.delivery;

import java.util.LinkedHashSet;

/// The ids of the last so many requests. Bounded, so that it may forget: who asks has to be right,
/// only dearer, without it.
///
/// Safe to share between threads.
public final class RecentIds {
  private final int capacity;
  private final LinkedHashSet<Long> ids = new LinkedHashSet<>();

  public RecentIds(int capacity) {
    this.capacity = capacity;
  }

  public synchronized void add(long id) {
    if (ids.add(id) && ids.size() > capacity) {
      ids.removeFirst();
    }
  }

  public synchronized boolean contains(long id) {
    return ids.contains(id);
  }
}
