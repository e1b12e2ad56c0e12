package org.pgoffload.worker.delivery;

import java.util.LinkedHashSet;

/// The last so many requests, by their ids or keys. Bounded, so that it may forget: who asks has to
/// be right, only dearer, without it.
///
/// Safe to share between threads.
public final class RecentRequests<K> {
  private final int capacity;
  private final LinkedHashSet<K> keys = new LinkedHashSet<>();

  public RecentRequests(int capacity) {
    this.capacity = capacity;
  }

  public synchronized void add(K key) {
    if (keys.add(key) && keys.size() > capacity) {
      keys.removeFirst();
    }
  }

  /// Forgets all.
  public synchronized void clear() {
    keys.clear();
  }

  public synchronized boolean contains(K key) {
    return keys.contains(key);
  }
}
