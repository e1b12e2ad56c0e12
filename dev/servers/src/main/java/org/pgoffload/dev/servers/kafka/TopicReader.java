package org.pgoffload.dev.servers.kafka;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/// Reads one topic on from where it was last read. For one thread at a time.
final class TopicReader implements AutoCloseable {
  private final KafkaConsumer<byte[], byte[]> consumer;
  private final List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();

  TopicReader(Map<String, Object> address, String topic) {
    var settings = new HashMap<>(address);
    settings.put("isolation.level", "read_committed");
    // the last fetch finds nothing, and is waited for when the reader closes
    settings.put("fetch.max.wait.ms", 10);
    consumer =
        new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    consumer.assign(
        consumer.partitionsFor(topic).stream()
            .map(partition -> new TopicPartition(topic, partition.partition()))
            .toList());
    consumer.seekToBeginning(consumer.assignment());
  }

  /// All records that the topic has had until now.
  List<ConsumerRecord<byte[], byte[]>> all() {
    var ends = ends();
    while (consumer.assignment().stream()
        .anyMatch(partition ->
            consumer.position(partition) < Objects.requireNonNull(ends.get(partition)))) {
      consumer.poll(Duration.ofMillis(50)).forEach(records::add);
    }
    return List.copyOf(records);
  }

  /// Where each partition ends now.
  Map<TopicPartition, Long> ends() {
    return consumer.endOffsets(consumer.assignment());
  }

  @Override
  public void close() {
    consumer.close();
  }
}
