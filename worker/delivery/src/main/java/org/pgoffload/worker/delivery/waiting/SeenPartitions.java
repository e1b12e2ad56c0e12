package org.pgoffload.worker.delivery.waiting;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/// The partitions that a consumer of requests reads, and how many records it has there yet to read,
/// as its thread saw it last. The consumer is asked nothing that it would have to ask Kafka for.
///
/// [#look] is for the consumer's thread; the rest is safe to share between threads.
public final class SeenPartitions {
  private static final long EVERY_NANOS = Duration.ofMillis(500).toNanos();
  private static final long COUNT_EVERY_NANOS = Duration.ofSeconds(30).toNanos();

  /// Of a topic with more, it is not told which the worker reads.
  private static final int MOST_ASSIGNED = 1000;

  private final String topic;
  private long lookedAt = System.nanoTime() - EVERY_NANOS;
  private long countedAt = System.nanoTime() - COUNT_EVERY_NANOS;
  private int partitions;
  private volatile Seen seen = new Seen(0, Map.of(), false);

  /// @param partitions of the topic; 0 while that is not known
  /// @param unread how many records of each partition are yet to be read; -1 if nobody knows
  /// @param full whether no more are read because enough is unfinished
  private record Seen(int partitions, Map<Integer, Long> unread, boolean full) {}

  public SeenPartitions(String topic) {
    this.topic = topic;
  }

  /// Looks, unless it did a moment ago.
  ///
  /// @param full whether no more are read because enough is unfinished
  public void look(Consumer<?, ?> consumer, boolean full) {
    long now = System.nanoTime();
    if (now - lookedAt < EVERY_NANOS) {
      return;
    }
    lookedAt = now;
    if (partitions == 0 || now - countedAt > COUNT_EVERY_NANOS) {
      countedAt = now;
      partitions = count(consumer);
    }
    var unread = new TreeMap<Integer, Long>();
    for (var partition : consumer.assignment()) {
      long records = unread(consumer, partition).orElse(-1);
      // of a paused partition it is not known what has come since
      unread.put(partition.partition(), full && records == 0 ? -1 : records);
    }
    seen = new Seen(partitions, unread, full);
  }

  private int count(Consumer<?, ?> consumer) {
    try {
      // known since the consumer has partitions: it does not ask then
      return consumer.assignment().isEmpty()
          ? partitions
          : consumer.partitionsFor(topic, Duration.ZERO).size();
    } catch (KafkaException e) {
      return partitions;
    }
  }

  private static OptionalLong unread(Consumer<?, ?> consumer, TopicPartition partition) {
    try {
      return consumer.currentLag(partition);
    } catch (IllegalStateException | KafkaException e) {
      // it has gone in this moment
      return OptionalLong.empty();
    }
  }

  /// Adds what was seen.
  public void tell(ObjectNode queue) {
    var last = seen;
    queue.put("topic", topic).put("partitions", last.partitions);
    if (last.full) {
      queue.put("full", true);
    }
    if (last.unread.size() <= MOST_ASSIGNED) {
      var assigned = queue.putArray("assigned");
      last.unread.keySet().forEach(assigned::add);
      var behind = queue.putObject("behind");
      last.unread.forEach((partition, records) -> {
        if (records != 0) {
          behind.put(Integer.toString(partition), records);
        }
      });
    }
  }
}
