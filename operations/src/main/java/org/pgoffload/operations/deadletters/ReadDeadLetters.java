package org.pgoffload.operations.deadletters;

import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.jspecify.annotations.Nullable;
import org.pgoffload.schema.InstallException;

/// Reads the dead-letter topic up to where it ends now, and changes nothing.
///
/// Not safe to share between threads.
public final class ReadDeadLetters implements AutoCloseable {
  private static final Duration POLL = Duration.ofMillis(200);
  private static final Pattern POSITION = Pattern.compile("(?:(.+)-)?(\\d{1,9})@(\\d{1,18})");

  private final String topic;
  private final KafkaConsumer<byte[], byte[]> consumer;

  public ReadDeadLetters(Map<String, Object> kafka, String topic) {
    this.topic = topic;
    var properties = new HashMap<>(kafka);
    // it reads partitions of its own choice, and remembers nothing
    properties.remove(ConsumerConfig.GROUP_ID_CONFIG);
    properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    // a letter may be removed while we look
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    // who waits at a terminal wants to know sooner than after Kafka's minute
    properties.putIfAbsent(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, 15_000);
    this.consumer =
        new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  /// Where a letter stands.
  record Position(int partition, long offset) {}

  /// Reads a position: `topic-partition@offset`, or without the topic.
  ///
  /// @throws IllegalArgumentException if it is none of this topic, in words
  public Position position(String text) {
    var matcher = POSITION.matcher(text);
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "'" + text + "' is not a position such as " + topic + "-0@17");
    }
    if (matcher.group(1) != null && !matcher.group(1).equals(topic)) {
      throw new IllegalArgumentException("'" + text + "' is not a position of topic " + topic);
    }
    return new Position(Integer.parseInt(matcher.group(2)), Long.parseLong(matcher.group(3)));
  }

  /// All letters, in the order of each partition.
  ///
  /// @param since those before are left out; null for none
  public void all(@Nullable Instant since, Consumer<DeadLetter> each) {
    asking(() -> {
      var partitions = partitions();
      consumer.assign(partitions);
      if (since == null) {
        consumer.seekToBeginning(partitions);
      } else {
        var from =
            consumer.offsetsForTimes(
                partitions.stream()
                    .collect(Collectors.toMap(partition -> partition, _ -> since.toEpochMilli())));
        consumer.seekToEnd(partitions);
        for (var partition : partitions) {
          var offset = from.get(partition);
          if (offset != null) {
            consumer.seek(partition, offset.offset());
          }
        }
      }
      read(partitions, each);
      return true;
    });
  }

  /// One letter; empty if there is none.
  public Optional<DeadLetter> at(Position position) {
    return asking(() -> {
      var partition = new TopicPartition(topic, position.partition);
      if (!partitions().contains(partition)) {
        return Optional.<DeadLetter>empty();
      }
      consumer.assign(List.of(partition));
      long end = Objects.requireNonNull(consumer.endOffsets(List.of(partition)).get(partition));
      if (position.offset >= end) {
        return Optional.<DeadLetter>empty();
      }
      consumer.seek(partition, position.offset);
      while (consumer.position(partition) < end) {
        for (var record : consumer.poll(POLL)) {
          return record.offset() == position.offset
              ? Optional.of(DeadLetter.of(record))
              : Optional.<DeadLetter>empty();
        }
      }
      return Optional.<DeadLetter>empty();
    });
  }

  private List<TopicPartition> partitions() {
    return consumer.partitionsFor(topic).stream()
        .map(partition -> new TopicPartition(topic, partition.partition()))
        .toList();
  }

  private void read(List<TopicPartition> partitions, Consumer<DeadLetter> each) {
    var ends = consumer.endOffsets(partitions);
    while (partitions.stream()
        .anyMatch(partition ->
            consumer.position(partition) < Objects.requireNonNull(ends.get(partition)))) {
      for (var record : consumer.poll(POLL)) {
        each.accept(DeadLetter.of(record));
      }
    }
  }

  @FunctionalInterface
  private interface Ask<T> {
    T ask();
  }

  private static <T> T asking(Ask<T> ask) {
    try {
      return ask.ask();
    } catch (KafkaException e) {
      throw new InstallException("the dead letters cannot be read: " + e.getMessage(), e);
    }
  }

  @Override
  public void close() {
    consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
  }
}
