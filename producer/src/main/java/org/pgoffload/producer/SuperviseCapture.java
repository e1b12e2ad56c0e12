package org.pgoffload.producer;

import io.debezium.embedded.Connect;
import io.debezium.engine.DebeziumEngine;
import io.micrometer.core.instrument.Gauge;
import java.io.IOException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.apache.kafka.clients.producer.Producer;
import org.jspecify.annotations.Nullable;
import org.pgoffload.connectors.SlotState;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.platform.primary.FollowPrimary;
import org.pgoffload.platform.primary.NotPrimaryException;
import org.pgoffload.telemetry.BrokerConnections;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.Telemetry;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Runs the capture engine for as long as the producer lives: looks at the slot, starts the engine,
/// and starts it again when it ends. A second producer waits here until the slot is free.
final class SuperviseCapture implements Runnable, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SuperviseCapture.class);

  private static final Duration PAUSE = Duration.ofMillis(200);
  private static final Duration PATIENCE_AT_CLOSE = Duration.ofSeconds(6);

  /// A server that has vanished must not hold the supervisor for ever.
  private static final Duration SILENCE = Duration.ofSeconds(10);

  private final ProducerConfiguration configuration;
  private final Supplier<Producer<byte[], byte[]>> kafka;
  private final FollowPrimary primary;
  private final AcceptPromotion accept;
  private final WatchSlot watchSlot;
  private final Telemetry telemetry;
  private final CountDownLatch closing = new CountDownLatch(1);
  private final CountDownLatch capturing = new CountDownLatch(1);
  private final CountDownLatch ended = new CountDownLatch(1);
  private volatile @Nullable DebeziumEngine<?> engine;
  private volatile boolean isCapturing;
  private volatile BrokerConnections connections = BrokerConnections.of(List.of());
  private volatile @Nullable PublishCaptured publish;
  private final Complaint complaint = new Complaint(LOG);
  private volatile Health health = Health.waiting("it is starting");

  SuperviseCapture(
      ProducerConfiguration configuration,
      FollowPrimary primary,
      Supplier<Producer<byte[], byte[]>> kafka,
      Telemetry telemetry) {
    this.configuration = configuration;
    this.primary = primary;
    this.accept = new AcceptPromotion(configuration, primary, closing);
    this.kafka = kafka;
    this.watchSlot = new WatchSlot(primary, configuration, telemetry.metrics());
    this.telemetry = telemetry;
    Gauge.builder("pgoffload.capturing", this, capture -> capture.isCapturing ? 1 : 0)
        .description("1 while requests are captured; 0 also for a producer that waits to take over")
        .register(telemetry.metrics());
    primary.tellPositionWhile(() -> isCapturing);
    primary.onChange(this::endRun);
  }

  @Override
  public void run() {
    var watch = Thread.ofVirtual().name("pgoffload-watch-slot").start(watchSlot);
    while (!isClosing()) {
      try {
        switch (slotState()) {
          case SlotState.Ready ready -> runEngine(ready.serverVersion());
          case SlotState.InUse inUse -> {
            var waits =
                "replication slot "
                    + configuration.slot()
                    + " is in use by server process "
                    + inUse.processId()
                    + ": waiting to take over";
            complain(waits);
            health = Health.ready(waits);
          }
          case SlotState.Broken broken ->
              complain("capture stands still: " + broken.code() + ": " + broken.whatToDo());
        }
      } catch (NotPrimaryException e) {
        var refused = e.code() == NotPrimaryException.Code.NOT_ACCEPTED ? accept.acceptFound() : "";
        complain("capture stands still: " + (refused.isEmpty() ? e.getMessage() : refused));
      } catch (SQLException e) {
        complain("capture stands still: the database cannot be asked: " + e.getMessage());
      } catch (RuntimeException e) {
        health = Health.waiting("the capture met a fault and starts again; the log says which");
        LOG.error("The capture met a fault and starts again", e);
      }
      pause();
    }
    watch.interrupt();
    ended.countDown();
  }

  private SlotState slotState() throws SQLException {
    try (var connection = primary.connect("pgoffload producer guard", SILENCE)) {
      return SlotState.read(connection, configuration.database().database(), configuration.slot());
    }
  }

  /// Waits until the engine streams for the first time.
  ///
  /// @return whether it does within the time
  boolean awaitCapturing(Duration patience) throws InterruptedException {
    return capturing.await(patience.toMillis(), TimeUnit.MILLISECONDS);
  }

  Health health() {
    if (!isCapturing) {
      return health;
    }
    var running = publish;
    var stuck = running == null ? Optional.<String>empty() : running.isStuck(PublishCaptured.LONG);
    return connections.none()
        ? Health.waiting("no broker of Kafka answers")
        : stuck.isPresent()
            ? Health.waiting(stuck.get())
            : Health.ready("captures through replication slot " + configuration.slot());
  }

  /// Why nothing is captured, or empty.
  String complaint() {
    return complaint.words();
  }

  private void runEngine(int serverVersion) {
    var properties = new Properties();
    // of the look at the slot
    var server = primary.found().orElseThrow();
    properties.putAll(configuration.capture(server).properties());
    properties.setProperty("name", "pgoffload");
    // The slot is the only position: with stored offsets a crash in the middle of a large
    // transaction loses rows, because many share one LSN.
    properties.setProperty(
        "offset.storage", "org.apache.kafka.connect.storage.MemoryOffsetBackingStore");
    // Telling the server costs two changes of thread: with every record, most of the throughput.
    // What
    // it was not told is captured again after a crash, at most what came since the last heartbeat.
    properties.setProperty("offset.flush.interval.ms", "100");
    // A producer of its own for each run: one that has met a fatal error never sends again, and
    // what
    // it still holds when the engine ends would come late, before it comes again.
    var producer = kafka.get();
    connections = BrokerConnections.of(producer.metrics().values());
    health = Health.waiting("the capture is starting");
    var publishing = new PublishCaptured(producer, configuration.topics(), telemetry);
    publish = publishing;
    // only who captures sweeps, so that no two do
    var sweep =
        Thread.ofVirtual()
            .name("pgoffload-sweep-requests")
            .start(new SweepRequests(primary, configuration));
    try (var _ = FlushMessages.startIfNeeded(primary, serverVersion)) {
      var started =
          DebeziumEngine.create(Connect.class)
              .using(properties)
              .using(new Callbacks())
              .using(this::completed)
              .notifying(publishing)
              .build();
      engine = started;
      // another one may have been recorded meanwhile
      if (!isClosing() && primary.isRecorded(server)) {
        started.run();
      }
    } finally {
      isCapturing = false;
      sweep.interrupt();
      engine = null;
      producer.close(Duration.ZERO);
    }
  }

  private void completed(boolean success, String message, @Nullable Throwable error) {
    if (!success && !isClosing()) {
      complain(
          "the capture has ended and starts again; what was not acknowledged is captured again: "
              + (error == null ? message : KafkaFault.words(error)));
    }
  }

  private void complain(String fault) {
    health = Health.waiting(fault);
    complaint.of(fault);
  }

  private boolean isClosing() {
    return closing.getCount() == 0;
  }

  private void pause() {
    try {
      closing.await(PAUSE.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      closing.countDown();
    }
  }

  /// Ends the engine. What was captured and not acknowledged is captured again by the next one.
  ///
  /// An engine refuses to be closed while it is starting, so this asks again until it has ended,
  /// for a few seconds at most.
  @Override
  public void close() {
    closing.countDown();
    // the engine waits for its own end, and that could take long: not on the caller's thread
    Thread.ofVirtual().name("pgoffload-capture-close").start(this::closeEngine);
    try {
      if (!ended.await(PATIENCE_AT_CLOSE.toMillis(), TimeUnit.MILLISECONDS)) {
        LOG.debug("The engine is still ending");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void closeEngine() {
    try {
      do {
        close(engine);
      } while (!ended.await(100, TimeUnit.MILLISECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Ends the engine that runs now; the supervisor looks again where the primary is.
  private void endRun() {
    var running = engine;
    if (running != null) {
      Thread.ofVirtual().name("pgoffload-capture-change").start(() -> endRun(running));
    }
  }

  private void endRun(DebeziumEngine<?> running) {
    try {
      while (Objects.equals(engine, running)) {
        close(running);
        Thread.sleep(100);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void close(@Nullable DebeziumEngine<?> running) {
    if (running != null) {
      try {
        running.close();
      } catch (IOException | RuntimeException e) {
        LOG.debug("The engine is starting or ending already", e);
      }
    }
  }

  private final class Callbacks implements DebeziumEngine.ConnectorCallback {
    @Override
    public void pollingStarted() {
      LOG.info(
          "Capturing from {} through replication slot {}",
          configuration.database(),
          configuration.slot());
      complaint.end();
      isCapturing = true;
      capturing.countDown();
    }
  }
}
