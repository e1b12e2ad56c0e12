package org.pgoffload.schema;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.KafkaException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps an installation in shape for as long as it is open: new ranges of ids, removal of what is
/// older than the retention from tables and topics. Nothing depends on it from one hour to the
/// next: without it, everything is only kept longer.
public final class MaintenanceApp implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(MaintenanceApp.class);

  private final MaintenanceConfiguration configuration;
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Thread thread;

  private MaintenanceApp(MaintenanceConfiguration configuration) {
    this.configuration = configuration;
    this.thread = Thread.ofPlatform().name("pgoffload-maintenance").unstarted(this::run);
  }

  /// Begins at once, in the background. Faults are logged, and it is tried again the next time.
  public static MaintenanceApp start(MaintenanceConfiguration configuration) {
    var app = new MaintenanceApp(configuration);
    app.thread.start();
    return app;
  }

  /// Does once what is due.
  ///
  /// @return one line for each thing that changed
  /// @throws SQLException if the database could not be asked
  /// @throws ExecutionException if Kafka refuses
  /// @throws TimeoutException if Kafka does not answer
  public static List<String> once(MaintenanceConfiguration configuration)
      throws SQLException, ExecutionException, InterruptedException, TimeoutException {
    var trimmed =
        TrimRequestTopics.run(
            configuration.kafka(),
            configuration.topics(),
            TopicSettings.read(configuration.database()).retention());
    trimmed
        .oldUnfinished()
        .ifPresent(partition ->
            LOG.warn(
                "{} has records that are older than the retention and that no worker has finished:"
                    + " no requests are removed meanwhile",
                partition));
    var changes = new ArrayList<>(trimmed.changes());
    changes.addAll(
        RemoveOldRequests.run(configuration.database(), trimmed.oldUnfinished().isEmpty()));
    changes.addAll(RotateKeys.removeOld(configuration.database()));
    return List.copyOf(changes);
  }

  private void run() {
    try {
      do {
        try {
          once(configuration).forEach(change -> LOG.info("{}", change));
        } catch (SQLException
            | ExecutionException
            | TimeoutException
            | KafkaException
            | InstallException e) {
          LOG.warn(
              "Not all of the maintenance could be done; trying again in {} s: {}",
              configuration.interval().toSeconds(),
              e.toString());
        } catch (RuntimeException e) {
          LOG.error("The maintenance met a fault; it goes on", e);
        }
      } while (!closing.await(configuration.interval().toMillis(), TimeUnit.MILLISECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Waits until it ends, which it does only when it is closed.
  public void awaitEnd() throws InterruptedException {
    thread.join();
  }

  /// Ends it; what is interrupted is finished the next time.
  @Override
  public void close() {
    closing.countDown();
    thread.interrupt();
    try {
      if (!thread.join(java.time.Duration.ofSeconds(2))) {
        LOG.info("The maintenance ends with this process");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
