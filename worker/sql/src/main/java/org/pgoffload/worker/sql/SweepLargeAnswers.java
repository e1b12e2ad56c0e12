package org.pgoffload.worker.sql;

import java.sql.SQLException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Removes, once a minute, the answers that were kept long enough for callers with an old snapshot.
/// Every worker does; a second one finds nothing.
public final class SweepLargeAnswers implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SweepLargeAnswers.class);

  private final TaskRecords records;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().name("pgoffload-sweep").daemon().factory());

  /// Begins to sweep.
  public SweepLargeAnswers(TaskRecords records) {
    this.records = records;
    var _ = timer.scheduleWithFixedDelay(this::sweep, 1, 1, TimeUnit.MINUTES);
  }

  private void sweep() {
    try {
      records.sweepLargeAnswers();
    } catch (SQLException | RuntimeException e) {
      LOG.warn(
          "Old large answers could not be removed; trying again in a minute: {}", e.toString());
    }
  }

  @Override
  public void close() {
    timer.shutdownNow();
  }
}
