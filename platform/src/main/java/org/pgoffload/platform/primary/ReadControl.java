package org.pgoffload.platform.primary;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.pgoffload.protocol.TopicNames;

/// Reads the topic `control` from its beginning, without a group. For one thread.
public final class ReadControl implements AutoCloseable {
  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final KafkaConsumer<byte[], byte[]> consumer;
  private final TopicPartition partition;
  private ControlState state = ControlState.EMPTY;

  /// @param kafka Kafka's client properties
  public ReadControl(Map<String, Object> kafka, TopicNames topics) {
    this(kafka, topics, Map.of());
  }

  /// @param properties of this consumer besides
  ReadControl(Map<String, Object> kafka, TopicNames topics, Map<String, Object> properties) {
    var all = new HashMap<>(kafka);
    all.put(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
    all.put(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
    // the classic consumer needs no thread of its own
    all.put(
        ConsumerConfig.GROUP_PROTOCOL_CONFIG,
        GroupProtocol.CLASSIC.name().toLowerCase(Locale.ROOT));
    all.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    all.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    // made by the installer, with its settings
    all.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false);
    // the record of the primary is written in transactions
    all.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, IsolationLevel.READ_COMMITTED.toString());
    all.putAll(properties);
    this.consumer = new KafkaConsumer<>(all);
    this.partition = new TopicPartition(topics.control(), 0);
    consumer.assign(List.of(partition));
    consumer.seekToBeginning(List.of(partition));
  }

  /// What has been read.
  public ControlState state() {
    return state;
  }

  /// Reads what is there or comes within the time.
  void poll(Duration patience) {
    for (var record : consumer.poll(patience)) {
      state = state.with(record);
    }
  }

  /// Whether everything has been read, as far as Kafka has answered.
  boolean isAtEnd() {
    var lag = consumer.currentLag(partition);
    return lag.isPresent() && lag.getAsLong() == 0;
  }

  /// Reads everything that is on the topic now.
  ///
  /// @return the offset after the last record
  /// @throws TimeoutException if Kafka does not answer, or there is no such topic
  public long readToEnd() {
    var end = consumer.endOffsets(List.of(partition), PATIENCE).getOrDefault(partition, 0L);
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (consumer.position(partition, PATIENCE) < end) {
      if (System.nanoTime() - deadline > 0) {
        throw new TimeoutException("topic " + partition.topic() + " could not be read to its end");
      }
      poll(POLL);
    }
    return end;
  }

  @Override
  public void close() {
    consumer.close(CloseOptions.timeout(Duration.ZERO));
  }
}
