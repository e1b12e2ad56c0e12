package org.pgoffload.results;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;

/// Sends the few records that the write-back has to send: dead letters and withdrawals. Connects
/// when the first one is there, which in most installations is never.
///
/// Safe to share between threads.
final class LazyProducer implements AutoCloseable {
  private final Map<String, Object> kafka;
  private @Nullable Producer<byte[], byte[]> producer;
  private boolean closed;

  /// @param kafka the client's properties
  LazyProducer(Map<String, Object> kafka) {
    this.kafka = kafka;
  }

  /// Begins to send a record.
  ///
  /// @throws KafkaException if it is closed
  Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record) {
    try {
      return open().send(record);
    } catch (IllegalStateException e) {
      throw new KafkaException("closed", e);
    }
  }

  private synchronized Producer<byte[], byte[]> open() {
    if (closed) {
      throw new KafkaException("closed");
    }
    var open = producer;
    if (open == null) {
      open = new KafkaProducer<>(properties(kafka));
      producer = open;
    }
    return open;
  }

  private static Map<String, Object> properties(Map<String, Object> kafka) {
    var properties = new HashMap<>(kafka);
    properties.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
    properties.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
    // its offset is committed once it is a dead letter
    properties.put(ProducerConfig.ACKS_CONFIG, "all");
    // they are waited for
    properties.put(ProducerConfig.LINGER_MS_CONFIG, 0);
    // meanwhile the consumer does not poll
    properties.putIfAbsent(ProducerConfig.MAX_BLOCK_MS_CONFIG, 5_000);
    // whatever fits the results topic can become a dead letter: Kafka's own limit is 1 MB
    properties.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, 32 << 20);
    properties.putIfAbsent(ProducerConfig.CLIENT_ID_CONFIG, "pgoffload-results");
    return properties;
  }

  /// What is being sent fails: its record is read again.
  @Override
  public synchronized void close() {
    closed = true;
    var open = producer;
    if (open != null) {
      open.close(Duration.ZERO);
    }
  }
}
