package org.pgoffload.producer;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.RunningPart;
import org.pgoffload.telemetry.Telemetry;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Captures requests from the database and publishes them to Kafka, at least once and in commit
/// order, for as long as it is open.
public final class ProducerApp implements RunningPart {
  private static final Logger LOG = LoggerFactory.getLogger(ProducerApp.class);

  private final SuperviseCapture capture;
  private final Thread thread;

  private ProducerApp(SuperviseCapture capture, Thread thread) {
    this.capture = capture;
    this.thread = thread;
  }

  /// Starts capturing in the background. Faults of the database or of Kafka are waited out, not
  /// thrown.
  ///
  /// @param telemetry is told what is measured and done
  /// @throws org.apache.kafka.common.KafkaException if the client properties are not valid
  public static ProducerApp start(ProducerConfiguration configuration, Telemetry telemetry) {
    var properties = kafkaProperties(configuration);
    // one for each run of the engine; the first now, so that bad properties are told at once
    new KafkaProducer<byte[], byte[]>(properties).close(Duration.ZERO);
    var capture =
        new SuperviseCapture(
            configuration,
            () -> new KafkaProducer<>(properties),
            new WatchSlot(configuration, telemetry.metrics()),
            telemetry);
    var thread = Thread.ofPlatform().name("pgoffload-capture").start(capture);
    return new ProducerApp(capture, thread);
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

  /// Why nothing is captured, or empty.
  String complaint() {
    return capture.complaint();
  }

  @Override
  public void awaitEnd() throws InterruptedException {
    thread.join();
  }

  /// A second producer, which waits to take over, is ready as well.
  @Override
  public Health health() {
    return thread.isAlive() ? capture.health() : Health.ended();
  }

  /// Ends the capture within a few seconds. What was not acknowledged is captured again by the next
  /// producer. Idempotent.
  @Override
  public void close() {
    capture.close();
    try {
      if (!thread.join(Duration.ofSeconds(8))) {
        LOG.warn("The capture has not ended in time; its slot is free when this process ends");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
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
    // One request at a time, so that what comes meanwhile shares the next one: with no linger and
    // several in flight every record would be a batch of its own (a twelfth of all CPU under load).
    properties.put(ProducerConfig.MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION, 1);
    properties.put(ProducerConfig.BATCH_SIZE_CONFIG, 128 << 10);
    properties.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
    // Above the largest request, and below what a broker takes at once
    // (socket.request.max.bytes): it drops the connection of more, again and again.
    properties.putIfAbsent(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, 32 << 20);
    // holds what may be unacknowledged, compressed or not
    properties.put(ProducerConfig.BUFFER_MEMORY_CONFIG, 128L << 20);
    // a send must not hold the engine for a minute, least of all when it is to end
    properties.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, 5_000);
    properties.putIfAbsent(ProducerConfig.CLIENT_ID_CONFIG, "pgoffload-producer");
    return properties;
  }
}
