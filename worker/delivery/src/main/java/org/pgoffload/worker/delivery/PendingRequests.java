package org.pgoffload.worker.delivery;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Every request that this worker has received and not finished: waiting to be claimed, running, or
/// held by another worker. Counts them and their bytes, which is the window.
///
/// Safe to share between threads.
public final class PendingRequests {
  private final Map<Long, List<ConsumedRequest>> all = new HashMap<>();
  private final Map<Long, ConsumedRequest> waiting = new LinkedHashMap<>();
  private final Map<Long, ConsumedRequest> held = new LinkedHashMap<>();
  private final PendingListener listener;
  private long bytes;

  public PendingRequests() {
    this(PendingListener.NONE);
  }

  /// @param listener is told the state of each request
  public PendingRequests(PendingListener listener) {
    this.listener = listener;
  }

  /// A request was received: it waits to be claimed, unless the same one is here already (delivered
  /// twice), in which case both finish together.
  ///
  /// @return whether it is the first
  public boolean received(ConsumedRequest request) {
    synchronized (this) {
      bytes += request.size();
      var same = all.computeIfAbsent(request.id(), id -> new ArrayList<>(1));
      same.add(request);
      if (same.size() > 1) {
        return false;
      }
      waiting.put(request.id(), request);
    }
    listener.waits(request);
    return true;
  }

  /// What waits to be claimed under this id.
  public synchronized Optional<ConsumedRequest> waitingOf(long id) {
    return Optional.ofNullable(waiting.get(id));
  }

  /// Up to this many that wait to be claimed, in the order of their arrival.
  public synchronized List<ConsumedRequest> waiting(int atMost) {
    return waiting.values().stream().limit(atMost).toList();
  }

  /// All that another worker holds.
  synchronized List<ConsumedRequest> held() {
    return List.copyOf(held.values());
  }

  public synchronized boolean hasWaiting() {
    return !waiting.isEmpty();
  }

  /// It has been claimed and runs now.
  public void running(long id) {
    listener.running(id);
    synchronized (this) {
      waiting.remove(id);
      held.remove(id);
    }
  }

  /// Another live worker has it: it is watched, unless it needs nothing any more.
  public void heldElsewhere(ConsumedRequest request) {
    // in this order: from then on the consumer's thread may claim it again
    listener.held(request.id());
    synchronized (this) {
      waiting.remove(request.id());
      if (all.containsKey(request.id())) {
        held.put(request.id(), request);
      }
    }
  }

  /// It needs nothing any more: its offsets may be committed.
  public void finish(long id) {
    // in this order: from then on the same request may be received anew, and must not lose its
    // place
    listener.finished(id);
    Collection<ConsumedRequest> finished;
    synchronized (this) {
      waiting.remove(id);
      held.remove(id);
      var removed = all.remove(id);
      finished = removed == null ? List.of() : removed;
      for (var request : finished) {
        bytes -= request.size();
      }
    }
    finished.forEach(request -> request.finish().run());
  }

  public synchronized int count() {
    return all.size();
  }

  synchronized long bytes() {
    return bytes;
  }

  /// When the oldest of them was asked; empty if there is none.
  synchronized Optional<Instant> oldest() {
    return all.values().stream()
        .map(same -> same.getFirst().envelope().createdAt())
        .min(Comparator.naturalOrder());
  }

  /// How many have been begun here and not ended.
  public synchronized int running() {
    return all.size() - waiting.size() - held.size();
  }
}
