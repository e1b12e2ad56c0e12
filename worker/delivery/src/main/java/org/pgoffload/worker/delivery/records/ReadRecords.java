package org.pgoffload.worker.delivery.records;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;

/// Reads records again that are not in memory any more, with a consumer of its own, which belongs
/// to no group. Opened with the first of them.
///
/// For one thread.
public final class ReadRecords implements AutoCloseable {
  /// What lies between two wanted records is read over, rather than fetched around, up to so many.
  private static final int READ_OVER = 200;

  /// Others wait meanwhile.
  private static final Duration PATIENCE = Duration.ofMillis(500);

  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration CLOSE = Duration.ofSeconds(1);

  private final Supplier<Consumer<byte[], byte[]>> open;
  private @Nullable Consumer<byte[], byte[]> consumer;

  /// @param open opens a consumer that fails where it is out of range
  public ReadRecords(Supplier<Consumer<byte[], byte[]>> open) {
    this.open = open;
  }

  /// What became of a record.
  public sealed interface Reading {
    record Found(ConsumerRecord<byte[], byte[]> record) implements Reading {}

    /// The topic does not have it any more.
    record Gone() implements Reading {}
  }

  /// Reads records, for half a second at most.
  ///
  /// @return by the id of the request; those that could not be read in time are missing
  /// @throws KafkaException if Kafka could not be asked
  public Map<Long, Reading> read(Collection<RequestReference> wanted) {
    var left = new HashMap<TopicPartition, NavigableMap<Long, Long>>();
    for (var each : wanted) {
      left.computeIfAbsent(each.partition(), _ -> new TreeMap<>()).put(each.offset(), each.id());
    }
    var read = new HashMap<Long, Reading>();
    long until = System.nanoTime() + PATIENCE.toNanos();
    var from = opened();
    from.assign(left.keySet());
    left.forEach((partition, offsets) -> from.seek(partition, offsets.firstKey()));
    while (!left.isEmpty() && System.nanoTime() - until < 0) {
      try {
        for (var record : from.poll(POLL)) {
          take(record, left, read);
        }
      } catch (OffsetOutOfRangeException e) {
        leaveOut(from, e.partitions(), left, read);
      }
      goOn(from, left, read);
    }
    return read;
  }

  private Consumer<byte[], byte[]> opened() {
    var opened = consumer;
    if (opened == null) {
      opened = open.get();
      consumer = opened;
    }
    return opened;
  }

  private static void take(
      ConsumerRecord<byte[], byte[]> record,
      Map<TopicPartition, NavigableMap<Long, Long>> left,
      Map<Long, Reading> read) {
    var offsets = left.get(new TopicPartition(record.topic(), record.partition()));
    var id = offsets == null ? null : offsets.remove(record.offset());
    if (id != null) {
      read.put(id, new Reading.Found(record));
    }
  }

  /// What lies outside of the log is gone.
  private static void leaveOut(
      Consumer<byte[], byte[]> from,
      Collection<TopicPartition> partitions,
      Map<TopicPartition, NavigableMap<Long, Long>> left,
      Map<Long, Reading> read) {
    var begins = from.beginningOffsets(partitions, PATIENCE);
    var ends = from.endOffsets(partitions, PATIENCE);
    for (var partition : partitions) {
      var offsets = Objects.requireNonNull(left.get(partition), "only these are assigned");
      gone(offsets.headMap(Objects.requireNonNull(begins.get(partition))), read);
      gone(offsets.tailMap(Objects.requireNonNull(ends.get(partition))), read);
      if (!offsets.isEmpty()) {
        from.seek(partition, offsets.firstKey());
      }
    }
  }

  /// What the consumer has come past is gone; what lies far ahead is fetched at once.
  private static void goOn(
      Consumer<byte[], byte[]> from,
      Map<TopicPartition, NavigableMap<Long, Long>> left,
      Map<Long, Reading> read) {
    var done = new ArrayList<TopicPartition>();
    left.forEach((partition, offsets) -> {
      long position = offsets.isEmpty() ? 0 : from.position(partition, PATIENCE);
      gone(offsets.headMap(position), read);
      if (offsets.isEmpty()) {
        done.add(partition);
      } else if (offsets.firstKey() - position > READ_OVER) {
        from.seek(partition, offsets.firstKey());
      }
    });
    if (!done.isEmpty()) {
      done.forEach(left::remove);
      from.assign(List.copyOf(left.keySet()));
    }
  }

  private static void gone(Map<Long, Long> offsets, Map<Long, Reading> read) {
    offsets.values().forEach(id -> read.put(id, new Reading.Gone()));
    offsets.clear();
  }

  @Override
  public void close() {
    if (consumer != null) {
      consumer.close(CloseOptions.timeout(CLOSE));
    }
  }
}
