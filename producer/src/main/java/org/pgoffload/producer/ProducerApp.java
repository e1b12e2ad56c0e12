package org.pgoffload.producer;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// Captures requests from the database and publishes them to Kafka, at least once and in commit
/// order, for as long as it is open.
public final class ProducerApp implements AutoCloseable {
  private final Producer<byte[], byte[]> kafka;
  private final SuperviseCapture capture;
  private final Thread thread;

  private ProducerApp(Producer<byte[], byte[]> kafka, SuperviseCapture capture, Thread thread) {
    this.kafka = kafka;
    this.capture = capture;
    this.thread = thread;
  }

  /// Starts capturing in the background. Faults of the database or of Kafka are waited out, not
  /// thrown.
  public static ProducerApp start(ProducerConfiguration configuration) {
    var kafka = new KafkaProducer<byte[], byte[]>(kafkaProperties(configuration));
    var capture = new SuperviseCapture(configuration, kafka);
    var thread = Thread.ofPlatform().name("pgoffload-capture").start(capture);
    return new ProducerApp(kafka, capture, thread);
  }

  /// Waits until requests are being captured.
  ///
  /// @throws IllegalStateException with the reason, if they are not within the time
  public void awaitCapturing(Duration patience) throws InterruptedException {
    if (!capture.awaitCapturing(patience)) {
      throw new IllegalStateException(
          "nothing is captured after " + patience.toSeconds() + " s; " + capture.complaint());
    }
  }

  /// Waits until the capture ends, which it does only when it is closed.
  public void awaitEnd() throws InterruptedException {
    thread.join();
  }

  @Override
  public void close() {
    capture.close();
    try {
      thread.join(Duration.ofSeconds(5));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    kafka.close(Duration.ofSeconds(2));
  }

  private static Map<String, Object> kafkaProperties(ProducerConfiguration configuration) {
    var properties = new HashMap<>(configuration.kafka());
    properties.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
    properties.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
    // nothing is acknowledged to the database before every in-sync replica has it
    properties.put(ProducerConfig.ACKS_CONFIG, "all");
    properties.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
    // Kafka 4's default of 5 ms would be most of a round trip; under load batches fill by
    // themselves
    properties.put(ProducerConfig.LINGER_MS_CONFIG, 0);
    properties.put(ProducerConfig.BATCH_SIZE_CONFIG, 128 << 10);
    properties.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
    // the topics and the database's max_request_bytes are the limit
    properties.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, 256 << 20);
    properties.put(ProducerConfig.BUFFER_MEMORY_CONFIG, 300L << 20);
    properties.putIfAbsent(ProducerConfig.CLIENT_ID_CONFIG, "pgoffload-producer");
    return properties;
  }
}
