package org.pgoffload.dev.faults.books;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.pgoffload.dev.faults.installation.FaultsException;
import org.pgoffload.dev.faults.installation.Tag;
import org.pgoffload.protocol.MalformedMessageException;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultMessage;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.protocol.SqlRows;
import org.pgoffload.protocol.Withdrawal;

/// Reads a topic from a moment on, as a downstream consumer would. For one thread.
public final class ReadTopic implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  private final KafkaConsumer<byte[], byte[]> consumer;
  private final List<TopicPartition> partitions;

  private ReadTopic(KafkaConsumer<byte[], byte[]> consumer, String topic) {
    this.consumer = consumer;
    this.partitions =
        consumer.partitionsFor(topic, PATIENCE).stream()
            .map(partition -> new TopicPartition(topic, partition.partition()))
            .toList();
    consumer.assign(partitions);
  }

  /// Reads what comes from now on.
  public static ReadTopic fromEnd(String bootstrapServers, String topic) {
    var consumer =
        new KafkaConsumer<>(
            Map.<String, Object>of(
                "bootstrap.servers",
                bootstrapServers,
                // a broker that was killed comes back, and the same consumer goes on
                "reconnect.backoff.max.ms",
                200,
                "auto.offset.reset",
                "none"),
            new ByteArrayDeserializer(),
            new ByteArrayDeserializer());
    var reading = new ReadTopic(consumer, topic);
    consumer
        .endOffsets(reading.partitions, PATIENCE)
        .forEach((partition, end) -> consumer.seek(partition, end.longValue()));
    return reading;
  }

  /// The records since the last time, up to the present end.
  public List<ConsumerRecord<byte[], byte[]>> records() {
    var records = new ArrayList<ConsumerRecord<byte[], byte[]>>();
    var ends = consumer.endOffsets(partitions, PATIENCE);
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (ends.entrySet().stream()
        .anyMatch(end -> consumer.position(end.getKey(), PATIENCE) < end.getValue())) {
      if (System.nanoTime() - deadline > 0) {
        throw new FaultsException("topic " + partitions.getFirst().topic() + " cannot be read");
      }
      consumer.poll(Duration.ofMillis(100)).forEach(records::add);
    }
    return records;
  }

  /// Adds the first terminal record of each id that has none yet, but for those that were
  /// withdrawn.
  public void addFirstEndings(Map<Long, String> endings) {
    var records = records();
    var withdrawn = new HashSet<Place>();
    for (var record : records) {
      if (message(record.value()).orElse(null) instanceof Withdrawal withdrawal) {
        withdrawn.add(new Place(record.partition(), withdrawal.offset()));
      }
    }
    for (var record : records) {
      if (!withdrawn.contains(new Place(record.partition(), record.offset()))) {
        ending(record.value())
            .ifPresent(ending -> endings.putIfAbsent(ending.id(), ending.status()));
      }
    }
  }

  private record Place(int partition, long offset) {}

  private record Ended(long id, String status) {}

  private static Optional<Ended> ending(byte[] value) {
    return switch (message(value).orElse(null)) {
      case Result result -> Optional.of(new Ended(result.id(), result.status()));
      case SqlResult result -> Optional.of(new Ended(result.id(), result.status()));
      case SqlRows _, Withdrawal _ -> Optional.empty();
      case null -> Optional.empty();
    };
  }

  /// Empty for garbage that a fault has written.
  private static Optional<ResultMessage> message(byte[] value) {
    try {
      return Optional.of(ResultMessage.read(value));
    } catch (MalformedMessageException e) {
      return Optional.empty();
    }
  }

  /// How many records each id has among some of a request topic, by the envelope's id.
  public static Map<String, Integer> timesPublished(List<ConsumerRecord<byte[], byte[]>> records) {
    var times = new HashMap<String, Integer>();
    for (var record : records) {
      Tag.in(new String(record.value(), java.nio.charset.StandardCharsets.UTF_8))
          .ifPresent(tag -> times.merge(tag.toString(), 1, Integer::sum));
    }
    return times;
  }

  @Override
  public void close() {
    consumer.close();
  }
}
