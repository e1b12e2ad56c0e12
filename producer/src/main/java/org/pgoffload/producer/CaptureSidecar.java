package org.pgoffload.producer;

import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.primary.FollowPrimary;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.RunningPart;
import org.pgoffload.telemetry.Telemetry;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The producer's work besides capturing, for an installation where a Connect cluster captures: it
/// watches the slot, sends again the requests that a break of the capture has lost, and on
/// PostgreSQL 15 and 16 keeps immediate calls from waiting.
///
/// One sidecar is enough. A second one does no harm: workers recognise requests that both have sent
/// again by their claims. Without a sidecar, capturing goes on: a break waits for its sweep, and on
/// 15 and 16 an immediate call waits for the capture's own heartbeat, a second at most.
public final class CaptureSidecar implements RunningPart {
  private static final Logger LOG = LoggerFactory.getLogger(CaptureSidecar.class);

  private static final Duration BETWEEN_TRIES = Duration.ofSeconds(1);
  private static final Duration PATIENCE_AT_CLOSE = Duration.ofSeconds(3);
  private static final Duration SILENCE = Duration.ofSeconds(10);

  private final ProducerConfiguration configuration;
  private final FollowPrimary primary;
  private final WatchSlot watchSlot;
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Thread thread;

  private CaptureSidecar(ProducerConfiguration configuration, Telemetry telemetry) {
    this.configuration = configuration;
    this.primary = ProducerApp.follow(configuration);
    primary.tellPositionWhile(() -> true);
    this.watchSlot = new WatchSlot(primary, configuration, telemetry.metrics());
    this.thread = Thread.ofPlatform().name("pgoffload-attend").unstarted(this::run);
  }

  /// Starts in the background. Faults of the database or of Kafka are waited out, not thrown.
  ///
  /// @param telemetry is told what is measured
  public static CaptureSidecar start(ProducerConfiguration configuration, Telemetry telemetry) {
    var attend = new CaptureSidecar(configuration, telemetry);
    attend.thread.start();
    return attend;
  }

  @Override
  public Health health() {
    return thread.isAlive() ? watchSlot.health() : Health.ended();
  }

  @Override
  public void awaitEnd() throws InterruptedException {
    thread.join();
  }

  private void run() {
    var watch = Thread.ofVirtual().name("pgoffload-watch-slot").start(watchSlot);
    var sweep =
        Thread.ofVirtual()
            .name("pgoffload-sweep-requests")
            .start(new SweepRequests(primary, configuration));
    try {
      LOG.info(
          "Watching replication slot {} of {}, from which others capture",
          configuration.slot(),
          configuration.database());
      var accept = new AcceptPromotion(configuration, primary, closing);
      int version = awaitVersion(accept);
      try (var _ = FlushMessages.startIfNeeded(primary, version)) {
        var complaint = new Complaint(LOG);
        while (!closing.await(BETWEEN_TRIES.toMillis(), TimeUnit.MILLISECONDS)) {
          var refused = accept.acceptFound();
          if (refused.isEmpty()) {
            complaint.end();
          } else {
            complaint.of(refused);
          }
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      watch.interrupt();
      sweep.interrupt();
    }
  }

  private int awaitVersion(AcceptPromotion accept) throws InterruptedException {
    var complaint = new Complaint(LOG);
    while (true) {
      try (var connection = primary.connect("pgoffload producer attend", SILENCE)) {
        return 10_000 * connection.getMetaData().getDatabaseMajorVersion();
      } catch (SQLException e) {
        var refused = accept.acceptFound();
        complaint.of(
            "The database cannot be asked: " + (refused.isEmpty() ? e.getMessage() : refused));
      }
      if (closing.await(BETWEEN_TRIES.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new InterruptedException("it is being closed");
      }
    }
  }

  /// Ends it within a few seconds; a sweep that is under way is begun again by the next one.
  @Override
  public void close() {
    closing.countDown();
    try {
      if (!thread.join(PATIENCE_AT_CLOSE)) {
        LOG.debug("Still ending");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    primary.close();
  }
}
