package org.pgoffload.producer;

import java.time.Duration;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.pgoffload.platform.ProducerProperties;
import org.pgoffload.platform.primary.FollowPrimary;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.RunningPart;
import org.pgoffload.telemetry.Telemetry;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Captures requests from the database and publishes them to Kafka, at least once and in commit
/// order, for as long as it is open.
public final class ProducerApp implements RunningPart {
  private static final Logger LOG = LoggerFactory.getLogger(ProducerApp.class);

  private final FollowPrimary primary;
  private final SuperviseCapture capture;
  private final Thread thread;

  private ProducerApp(FollowPrimary primary, SuperviseCapture capture, Thread thread) {
    this.primary = primary;
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
    var primary = follow(configuration);
    var capture =
        new SuperviseCapture(
            configuration, primary, () -> new KafkaProducer<>(properties), telemetry);
    var thread = Thread.ofPlatform().name("pgoffload-capture").start(capture);
    return new ProducerApp(primary, capture, thread);
  }

  static FollowPrimary follow(ProducerConfiguration configuration) {
    return FollowPrimary.start(
        configuration.database(),
        configuration.kafka(),
        configuration.topics(),
        FollowPrimary.nameOf("producer"));
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
    primary.close();
  }

  private static Map<String, Object> kafkaProperties(ProducerConfiguration configuration) {
    var properties = ProducerProperties.of(configuration.kafka(), "pgoffload-producer", 128L << 20);
    // a send must not hold the engine for a minute, least of all when it is to end
    properties.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, 5_000);
    return properties;
  }
}
