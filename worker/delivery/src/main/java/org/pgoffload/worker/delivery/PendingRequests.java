package org.pgoffload.worker.delivery;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.delivery.records.RequestReference;

/// Every request that this worker has received and not finished: waiting to be claimed, running, or
/// held by another worker.
///
/// The records of those that wait are in memory as long as there is room for them. Beyond it, a
/// request is known by a [RequestReference], and its record is read again when its turn comes.
///
/// Longer than 300 lines because all states of a request, and the memory that they take, change
/// under one lock.
///
/// Safe to share between threads.
public final class PendingRequests {
  /// The memory of a request without its record, with what its scheduler and its watermark know.
  private static final int REFERENCE_BYTES = 512;

  private static final int MOST = 1_000_000;

  /// More than the roles that usually ask; others are kept as well, but not shared.
  private static final int MOST_HEADS = 1_000;

  private final Map<Long, Entry> all = new HashMap<>();

  /// Those that wait with their records, in the order in which these came.
  private final LinkedHashMap<Long, Entry> whole = new LinkedHashMap<>();

  /// Those that wait, and that the database has no row of yet.
  private final LinkedHashMap<Long, Entry> unrecorded = new LinkedHashMap<>();

  private final Map<Long, Entry> held = new LinkedHashMap<>();
  private final Map<RequestReference.Head, RequestReference.Head> heads = new HashMap<>();
  private final Map<TopicPartition, TopicPartition> partitions = new HashMap<>();
  private final PendingListener listener;
  private int waiting;

  /// Which of all was asked first, as far as it is known.
  private @Nullable Entry oldest;

  /// Of the records that are in memory.
  private long bytes;

  /// Of those that wait.
  private long waitingBytes;

  private enum State {
    WAITING,
    RUNNING,
    HELD
  }

  /// One request, however often it was delivered.
  private static final class Entry {
    private RequestReference reference;
    private State state = State.WAITING;
    private @Nullable ConsumedRequest request;
    private Runnable finish;

    /// Of repeated deliveries.
    private List<Runnable> again = List.of();

    /// Deliveries that wait until this one has left: of another request of the same id, or of this
    /// one after a fail-over.
    private List<ConsumedRequest> next = List.of();

    /// Whether this worker has seen to it that the database has its row.
    private boolean recorded;

    /// Whether the database was failed over since it came, or was claimed.
    private boolean failedOver;

    private Entry(RequestReference reference, Runnable finish) {
      this.reference = reference;
      this.finish = finish;
    }

    private Runnable finishAll() {
      var first = finish;
      var others = List.copyOf(again);
      return () -> {
        first.run();
        others.forEach(Runnable::run);
      };
    }

    /// Whether a delivery takes the place of the record that is known, because it was signed later:
    /// the key of the earlier one may be revoked when that is read again.
    private boolean isReplacedBy(ConsumedRequest delivery) {
      return state == State.WAITING
          && delivery.refusal() == null
          && (request == null || request.refusal() == null)
          && delivery.envelope().signedAt().toEpochMilli() > reference.signedAt();
    }

    /// Whether a delivery must not end with this one. It may be of another request, to which the id
    /// was given after a fail-over; what waits, such a delivery replaces. Or what runs may have
    /// begun on the server before, and its claim or result may be lost.
    private boolean isFollowedBy(ConsumedRequest delivery) {
      return delivery.envelope().key().equals(reference.key())
          ? state == State.RUNNING && failedOver
          : state != State.WAITING
              && delivery.envelope().signedAt().toEpochMilli() >= reference.signedAt();
    }

    /// Whether its record can be read again to the same end.
    private boolean canBeReadAgain() {
      return request != null
          && request.refusal() == null
          && (recorded || !reference.head().immediate());
    }
  }

  public PendingRequests() {
    this(PendingListener.NONE);
  }

  /// @param listener is told the state of each request
  public PendingRequests(PendingListener listener) {
    this.listener = listener;
  }

  /// How many may be unfinished at once: as many as an eighth of the heap holds, without their
  /// records.
  public static int most() {
    return (int) Math.min(MOST, Runtime.getRuntime().maxMemory() / 8 / REFERENCE_BYTES);
  }

  /// A request was received: it waits to be claimed, unless the same one is here already (delivered
  /// twice), in which case both finish together, and one that waits begins with what was signed
  /// last.
  ///
  /// @return whether it is the first
  public boolean received(ConsumedRequest request) {
    synchronized (this) {
      var same = all.get(request.id());
      if (same != null) {
        if (same.isFollowedBy(request)) {
          same.next = append(same.next, request);
          return false;
        }
        if (same.isReplacedBy(request)) {
          replace(same, request);
        } else {
          same.again = append(same.again, request.finish());
        }
        return false;
      }
      if (oldest != null
          && request.envelope().createdAt().toEpochMilli() < oldest.reference.createdAt()) {
        oldest = null;
      }
      var entry = new Entry(reference(request), request.finish());
      all.put(request.id(), entry);
      waiting++;
      keep(entry, request);
      if (request.envelope().immediate() && request.isReadable()) {
        unrecorded.put(request.id(), entry);
      }
    }
    listener.waits(request);
    return true;
  }

  /// Most entries have none: then there is no list of them.
  private static <T> List<T> append(List<T> to, T added) {
    var list = to.isEmpty() ? new ArrayList<T>(1) : to;
    list.add(added);
    return list;
  }

  private void replace(Entry entry, ConsumedRequest request) {
    entry.again = append(entry.again, entry.finish);
    if (entry.request != null) {
      bytes -= entry.reference.bytes();
      waitingBytes -= entry.reference.bytes();
    }
    if (entry == oldest) {
      oldest = null;
    }
    entry.recorded &= request.envelope().key().equals(entry.reference.key());
    entry.reference = reference(request);
    keep(entry, request);
    if (request.envelope().immediate() && !entry.recorded) {
      unrecorded.put(request.id(), entry);
    } else {
      // only what the database has a row of is signed again
      unrecorded.remove(request.id());
    }
  }

  private RequestReference reference(ConsumedRequest request) {
    if (heads.size() > MOST_HEADS) {
      heads.clear();
    }
    var envelope = request.envelope();
    var head = RequestReference.head(envelope);
    var partition = new TopicPartition(request.record().topic(), request.record().partition());
    return RequestReference.to(
        envelope,
        partitions.computeIfAbsent(partition, _ -> partition),
        request.record().offset(),
        request.size(),
        heads.computeIfAbsent(head, _ -> head));
  }

  private void keep(Entry entry, ConsumedRequest request) {
    entry.request = entry.failedOver ? request.asRepeated() : request;
    entry.finish = request.finish();
    bytes += entry.reference.bytes();
    waitingBytes += entry.reference.bytes();
    whole.put(request.id(), entry);
  }

  /// The record of a request that waits was read again.
  ///
  /// @param request whose end tells all records of the request
  synchronized void readAgain(ConsumedRequest request) {
    var entry = all.get(request.id());
    if (entry != null && entry.state == State.WAITING && entry.request == null) {
      keep(entry, request);
    }
  }

  /// What waits to be claimed under this id, if its record is in memory.
  public synchronized Optional<ConsumedRequest> waitingOf(long id) {
    return Optional.ofNullable(whole.get(id)).map(entry -> entry.request);
  }

  /// A request that waits without its record.
  ///
  /// @param finish tells all records of it
  record Unread(RequestReference reference, Runnable finish) {}

  /// What waits to be claimed under this id, if its record has to be read again.
  synchronized Optional<Unread> unreadOf(long id) {
    return Optional.ofNullable(all.get(id))
        .filter(entry -> entry.state == State.WAITING && entry.request == null)
        .map(entry -> new Unread(entry.reference, entry.finishAll()));
  }

  /// Whether a request is unfinished.
  synchronized boolean has(long id) {
    return all.containsKey(id);
  }

  /// Whether it waits to be claimed.
  synchronized boolean waits(long id) {
    var entry = all.get(id);
    return entry != null && entry.state == State.WAITING;
  }

  /// Forgets records of requests that wait, the last ones first, until those that are left take at
  /// most this much memory.
  synchronized void forgetRecords(int atMost, long atMostBytes) {
    var last = whole.sequencedValues().reversed().iterator();
    while ((whole.size() > atMost || waitingBytes > atMostBytes) && last.hasNext()) {
      var entry = last.next();
      if (entry.canBeReadAgain()) {
        last.remove();
        entry.request = null;
        bytes -= entry.reference.bytes();
        waitingBytes -= entry.reference.bytes();
      }
    }
  }

  /// Forgets what waits of partitions that other workers read from now on. They begin with what is
  /// unfinished here.
  void forgetWaiting(Collection<TopicPartition> revoked) {
    List<Long> forgotten;
    synchronized (this) {
      forgotten =
          all.values().stream()
              .filter(entry -> entry.state == State.WAITING && entry.again.isEmpty())
              .map(entry -> entry.reference)
              .filter(reference -> revoked.contains(reference.partition()))
              .map(RequestReference::id)
              .toList();
    }
    forgotten.forEach(this::remove);
  }

  /// The database was failed over: what it knew of these requests may be lost. Those that do not
  /// run are claimed as if they had come again, and those that run are followed by their records.
  synchronized void failedOver() {
    for (var entry : all.values()) {
      entry.failedOver = true;
      entry.recorded = false;
      if (!entry.next.isEmpty()) {
        entry.next.replaceAll(ConsumedRequest::asRepeated);
      }
      if (entry.request != null) {
        entry.request = entry.request.asRepeated();
        if (entry.state == State.WAITING
            && entry.reference.head().immediate()
            && entry.request.isReadable()) {
          unrecorded.put(entry.reference.id(), entry);
        }
      }
    }
  }

  /// Up to this many that wait and that the database has no row of yet.
  synchronized List<ConsumedRequest> unrecorded(int atMost) {
    return unrecorded.values().stream()
        .limit(atMost)
        .map(entry -> entry.request)
        .filter(request -> request != null)
        .toList();
  }

  /// The database has a row of it.
  synchronized void recorded(long id) {
    var entry = unrecorded.remove(id);
    if (entry != null) {
      entry.recorded = true;
    }
  }

  /// The database takes no row of it: its claim will say so, and end it.
  synchronized void notRecordable(long id) {
    unrecorded.remove(id);
  }

  /// Whether the database has a row of a request without its claim.
  public synchronized boolean isRecorded(ConsumedRequest request) {
    var entry = all.get(request.id());
    return !request.envelope().immediate() || (entry != null && entry.recorded);
  }

  /// All that another worker holds.
  synchronized List<ConsumedRequest> held() {
    return held.values().stream()
        .flatMap(entry -> Optional.ofNullable(entry.request).stream())
        .toList();
  }

  synchronized int heldCount() {
    return held.size();
  }

  /// It has been claimed and runs now.
  public void running(long id) {
    listener.running(id);
    synchronized (this) {
      var entry = all.get(id);
      if (entry != null) {
        leave(entry);
        if (entry.state != State.RUNNING) {
          entry.failedOver = false;
        }
        entry.state = State.RUNNING;
      }
    }
  }

  /// Another live worker has it: it is watched, unless it needs nothing any more.
  public void heldElsewhere(ConsumedRequest request) {
    // in this order: from then on the consumer's thread may claim it again
    listener.held(request.id());
    synchronized (this) {
      var entry = all.get(request.id());
      if (entry != null) {
        leave(entry);
        entry.state = State.HELD;
        if (entry.request == null) {
          entry.request = request;
          bytes += entry.reference.bytes();
        }
        held.put(request.id(), entry);
      }
    }
  }

  /// Takes it from wherever its state has put it.
  private void leave(Entry entry) {
    long id = entry.reference.id();
    switch (entry.state) {
      case WAITING -> {
        waiting--;
        if (whole.remove(id) != null) {
          waitingBytes -= entry.reference.bytes();
        }
        unrecorded.remove(id);
      }
      case RUNNING -> {}
      case HELD -> held.remove(id);
    }
  }

  /// It needs nothing any more: its offsets may be committed.
  public void finish(long id) {
    remove(id).ifPresent(Runnable::run);
  }

  /// Forgets a request whose records another sees to.
  ///
  /// @return what tells all its records that they need nothing any more
  Optional<Runnable> remove(long id) {
    // in this order: from then on the same request may be received anew, and must not lose its
    // place
    listener.finished(id);
    Entry entry;
    synchronized (this) {
      entry = all.remove(id);
      if (entry == null) {
        return Optional.empty();
      }
      leave(entry);
      if (entry == oldest) {
        oldest = null;
      }
      if (entry.request != null) {
        bytes -= entry.reference.bytes();
      }
    }
    entry.next.forEach(this::received);
    return Optional.of(entry.finishAll());
  }

  public synchronized int count() {
    return all.size();
  }

  /// Of the records that are in memory.
  synchronized long bytes() {
    return bytes;
  }

  /// When the oldest of them was asked; empty if there is none.
  synchronized Optional<Instant> oldest() {
    if (oldest == null) {
      oldest =
          all.values().stream()
              .min(Comparator.comparingLong(entry -> entry.reference.createdAt()))
              .orElse(null);
    }
    return Optional.ofNullable(oldest)
        .map(entry -> Instant.ofEpochMilli(entry.reference.createdAt()));
  }

  /// How many have been begun here and not ended.
  public synchronized int running() {
    return all.size() - waiting - held.size();
  }

  /// Adds how many there are, by their states.
  void tell(ObjectNode queue) {
    int held;
    int unfinished;
    synchronized (this) {
      held = this.held.size();
      unfinished = all.size();
    }
    queue.put("unfinished", unfinished);
    if (held > 0) {
      queue.put("held", held);
    }
  }

  /// How many wait to be claimed.
  synchronized int waiting() {
    return waiting;
  }
}
