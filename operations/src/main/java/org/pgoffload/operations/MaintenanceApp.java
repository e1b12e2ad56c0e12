package org.pgoffload.operations;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.KafkaException;
import org.pgoffload.operations.retention.RemoveOldRequests;
import org.pgoffload.operations.retention.TrimRequestTopics;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.primary.FollowPrimary;
import org.pgoffload.schema.InstallException;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.RunningPart;
import org.pgoffload.telemetry.Telemetry;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps an installation in shape for as long as it is open: new ranges of ids, removal of what is
/// older than the retention from tables and topics. Nothing depends on it from one hour to the
/// next: without it, everything is only kept longer.
public final class MaintenanceApp implements RunningPart {
  private static final Logger LOG = LoggerFactory.getLogger(MaintenanceApp.class);

  /// A single round is not tried again, so it waits as long for the record as Kafka's clients do.
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  /// A round that fails is tried again soon, also where the next one is hours away: without ranges
  /// of ids made ahead, the part is not ready.
  private static final Duration REST_AFTER_FAULT = Duration.ofSeconds(15);

  private final MaintenanceConfiguration configuration;
  private final Complaint complaint = new Complaint(LOG);
  private final FollowPrimary primary;
  private final PrimarySessions sessions;
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Thread thread;
  private final Thread watch;
  private final Thread remake;
  private volatile Health health = Health.waiting("the first round is under way");

  private MaintenanceApp(MaintenanceConfiguration configuration, Telemetry telemetry) {
    this.configuration = configuration;
    this.primary = follow(configuration);
    this.sessions = new PrimarySessions(primary);
    this.thread = Thread.ofPlatform().name("pgoffload-maintenance").unstarted(this::run);
    this.watch =
        Thread.ofVirtual()
            .name("pgoffload-watch-installation")
            .unstarted(new WatchInstallation(configuration, sessions, telemetry.metrics()));
    this.remake =
        Thread.ofVirtual().name("pgoffload-remake-slot").unstarted(new RemakeSlot(sessions));
  }

  /// Begins at once, in the background. Faults are logged, and it is tried again the next time.
  ///
  /// @param telemetry is told how the installation does
  public static MaintenanceApp start(MaintenanceConfiguration configuration, Telemetry telemetry) {
    var app = new MaintenanceApp(configuration, telemetry);
    app.thread.start();
    app.watch.start();
    app.remake.start();
    return app;
  }

  private static FollowPrimary follow(MaintenanceConfiguration configuration) {
    return FollowPrimary.watch(
        configuration.database(), configuration.kafka(), configuration.topics());
  }

  /// Does once what is due, on the recorded primary.
  ///
  /// @return one line for each thing that changed
  /// @throws SQLException if the database could not be asked
  /// @throws ExecutionException if Kafka refuses
  /// @throws TimeoutException if Kafka does not answer
  public static List<String> once(MaintenanceConfiguration configuration)
      throws SQLException, ExecutionException, InterruptedException, TimeoutException {
    try (var primary = follow(configuration)) {
      primary.awaitRecord(PATIENCE);
      return once(configuration, new PrimarySessions(primary));
    }
  }

  private static List<String> once(MaintenanceConfiguration configuration, ConnectAsPart database)
      throws SQLException, ExecutionException, InterruptedException, TimeoutException {
    var trimmed =
        TrimRequestTopics.run(
            configuration.kafka(),
            configuration.topics(),
            TopicSettings.read(database).retention());
    trimmed
        .oldUnfinished()
        .ifPresent(partition ->
            LOG.warn(
                "{} has records that are older than the retention and that no worker has finished:"
                    + " no requests are removed meanwhile",
                partition));
    var changes = new ArrayList<>(trimmed.changes());
    changes.addAll(RemoveOldRequests.run(database, trimmed.oldUnfinished().isEmpty()));
    changes.addAll(RemoveOldKeys.run(database));
    return List.copyOf(changes);
  }

  private void run() {
    try {
      // Kafka may need a moment for its first answer
      primary.awaitRecord(PATIENCE);
      do {
        round();
      } while (!closing.await(rest().toMillis(), TimeUnit.MILLISECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void round() throws InterruptedException {
    try {
      once(configuration, sessions).forEach(change -> LOG.info("{}", change));
      complaint.end("The maintenance goes on");
      health = Health.ready("looks every " + configuration.interval());
    } catch (SQLException
        | ExecutionException
        | TimeoutException
        | KafkaException
        | InstallException e) {
      health = Health.waiting("the last round could not be done; the log says why");
      complaint.of("Not all of the maintenance could be done; it is tried again: " + e);
    } catch (RuntimeException e) {
      health = Health.waiting("the last round met a fault; the log says which");
      LOG.error("The maintenance met a fault; it goes on", e);
    }
  }

  private Duration rest() {
    var interval = configuration.interval();
    return complaint.stands() && interval.compareTo(REST_AFTER_FAULT) > 0
        ? REST_AFTER_FAULT
        : interval;
  }

  @Override
  public Health health() {
    return thread.isAlive() ? health : Health.ended();
  }

  @Override
  public void awaitEnd() throws InterruptedException {
    thread.join();
  }

  /// Ends it; what is interrupted is finished the next time.
  @Override
  public void close() {
    closing.countDown();
    thread.interrupt();
    watch.interrupt();
    remake.interrupt();
    try {
      if (!thread.join(Duration.ofSeconds(2))) {
        LOG.info("The maintenance ends with this process");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    primary.close();
  }
}
