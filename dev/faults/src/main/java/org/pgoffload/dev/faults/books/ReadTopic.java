package org.pgoffload.dev.faults.books;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
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

  /// By request id, all of which have one partition, and by offset.
  private final Map<Long, SortedMap<Long, String>> endings = new HashMap<>();

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

  /// The first terminal record, until now, of each id above one: of those that were not withdrawn.
  public Map<Long, String> firstEndings(long after) {
    for (var record : records()) {
      if (message(record.value()).orElse(null) instanceof Withdrawal withdrawal) {
        endings.getOrDefault(withdrawal.id(), new TreeMap<>()).remove(withdrawal.offset());
      } else {
        ending(record.value())
            .ifPresent(ending ->
                endings
                    .computeIfAbsent(ending.id(), _ -> new TreeMap<>())
                    .put(record.offset(), ending.status()));
      }
    }
    var first = new HashMap<Long, String>();
    endings.forEach((id, all) -> {
      if (id > after && !all.isEmpty()) {
        first.put(id, all.firstEntry().getValue());
      }
    });
    return first;
  }

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

  /// The numbers of a run's requests among the records since the last time.
  public List<Integer> numbers(String run) {
    return records().stream()
        .flatMap(record -> tag(record).stream())
        .filter(tag -> tag.run().equals(run))
        .map(Tag::number)
        .toList();
  }

  private static Optional<Tag> tag(ConsumerRecord<byte[], byte[]> record) {
    return Tag.in(new String(record.value(), StandardCharsets.UTF_8));
  }

  /// How many records each id has among some of a request topic, by the envelope's id.
  public static Map<String, Integer> timesPublished(List<ConsumerRecord<byte[], byte[]>> records) {
    var times = new HashMap<String, Integer>();
    for (var record : records) {
      tag(record).ifPresent(tag -> times.merge(tag.toString(), 1, Integer::sum));
    }
    return times;
  }

  @Override
  public void close() {
    consumer.close();
  }
}
