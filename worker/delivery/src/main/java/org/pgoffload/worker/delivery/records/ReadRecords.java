package org.pgoffload.worker.delivery.records;

import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
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

  /// What is left to be read of a partition, as ids by their offsets.
  private static final class Left {
    /// What is read now: the record that is wanted first, then the others in the order in which
    /// they lie.
    private NavigableMap<Long, Long> now = new TreeMap<>();

    private NavigableMap<Long, Long> then = new TreeMap<>();

    /// Where the consumer reads.
    private long position;

    private void add(RequestReference wanted) {
      (now.isEmpty() ? now : then).put(wanted.offset(), wanted.id());
    }

    private @Nullable Long take(long offset) {
      var id = now.remove(offset);
      return id == null ? then.remove(offset) : id;
    }

    private void seek(Consumer<byte[], byte[]> from, TopicPartition partition) {
      position = now.firstKey();
      from.seek(partition, position);
    }

    /// @return whether anything is left
    private boolean goOn() {
      if (now.isEmpty()) {
        now = then;
        then = new TreeMap<>();
      }
      return !now.isEmpty();
    }

    private boolean isFarAhead() {
      return now.firstKey() < position || now.firstKey() - position > READ_OVER;
    }
  }

  /// Reads records, for half a second at most. Of each partition the record that is wanted first is
  /// read first, wherever it lies: were the lowest ones always first, a request that was sent again
  /// would be read after all that came before that. A partition that cannot be read keeps no other
  /// one waiting.
  ///
  /// @param wanted in the order in which they are wanted
  /// @param take is given what became of each record, by the id of its request, at once: it is kept
  ///   though Kafka fails later. It is not told of those that could not be read in time
  /// @throws KafkaException if Kafka could not be asked
  public void read(Collection<RequestReference> wanted, BiConsumer<Long, Reading> take) {
    var left = new HashMap<TopicPartition, Left>();
    for (var each : wanted) {
      left.computeIfAbsent(each.partition(), _ -> new Left()).add(each);
    }
    long until = System.nanoTime() + PATIENCE.toNanos();
    var from = opened();
    from.assign(left.keySet());
    left.forEach((partition, offsets) -> offsets.seek(from, partition));
    while (!left.isEmpty() && System.nanoTime() - until < 0) {
      try {
        var records = from.poll(POLL);
        for (var record : records) {
          var of = of(left, new TopicPartition(record.topic(), record.partition()));
          var id = of.take(record.offset());
          if (id != null) {
            take.accept(id, new Reading.Found(record));
          }
        }
        // what the consumer has come past is gone
        records
            .nextOffsets()
            .forEach((partition, next) -> {
              var of = of(left, partition);
              of.position = next.offset();
              gone(of.now.headMap(of.position), take);
            });
      } catch (OffsetOutOfRangeException e) {
        leaveOut(from, e.partitions(), left, take);
      }
      goOn(from, left);
    }
  }

  private Consumer<byte[], byte[]> opened() {
    var opened = consumer;
    if (opened == null) {
      opened = open.get();
      consumer = opened;
    }
    return opened;
  }

  /// What lies outside of the log is gone.
  private static void leaveOut(
      Consumer<byte[], byte[]> from,
      Collection<TopicPartition> partitions,
      Map<TopicPartition, Left> left,
      BiConsumer<Long, Reading> take) {
    for (var partition : partitions) {
      var of = of(left, partition);
      try {
        long begin = offset(from.beginningOffsets(List.of(partition), PATIENCE));
        long end = offset(from.endOffsets(List.of(partition), PATIENCE));
        for (var offsets : List.of(of.now, of.then)) {
          gone(offsets.headMap(begin), take);
          gone(offsets.tailMap(end), take);
        }
        // to be sought
        of.position = Long.MAX_VALUE;
      } catch (TimeoutException e) {
        left.remove(partition);
        from.assign(List.copyOf(left.keySet()));
      }
    }
  }

  private static Left of(Map<TopicPartition, Left> left, TopicPartition partition) {
    return Objects.requireNonNull(left.get(partition), "only these are assigned");
  }

  private static long offset(Map<TopicPartition, Long> ofOne) {
    return ofOne.values().iterator().next();
  }

  /// What is read is not asked for any more, and what lies far ahead is fetched at once.
  private static void goOn(Consumer<byte[], byte[]> from, Map<TopicPartition, Left> left) {
    if (left.values().removeIf(of -> !of.goOn())) {
      from.assign(List.copyOf(left.keySet()));
    }
    left.forEach((partition, of) -> {
      if (of.isFarAhead()) {
        of.seek(from, partition);
      }
    });
  }

  private static void gone(Map<Long, Long> offsets, BiConsumer<Long, Reading> take) {
    var ids = List.copyOf(offsets.values());
    offsets.clear();
    ids.forEach(id -> take.accept(id, new Reading.Gone()));
  }

  @Override
  public void close() {
    if (consumer != null) {
      consumer.close(CloseOptions.timeout(CLOSE));
    }
  }
}
