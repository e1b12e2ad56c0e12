package org.pgoffload.worker.delivery.lease;

import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import javax.sql.DataSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Counts the live workers every few seconds: they share configured limits. Learns the database's
/// time as well, and ends the sessions of dead workers whose claims are under way: their claims
/// could not be taken over.
public final class CountWorkers {
  private static final Logger LOG = LoggerFactory.getLogger(CountWorkers.class);

  private static final int SECONDS = 3;

  private CountWorkers() {}

  /// Begins to count.
  ///
  /// @param share is told each count
  public static void every(
      ScheduledExecutorService timer, DataSource database, IntConsumer share, DatabaseClock clock) {
    var _ =
        timer.scheduleWithFixedDelay(
            () -> count(database, share, clock), 0, SECONDS, TimeUnit.SECONDS);
  }

  private static void count(DataSource database, IntConsumer share, DatabaseClock clock) {
    try (var connection = database.getConnection();
        var statement =
            connection.prepareStatement(
                "select pgoffload.live_workers(), clock_timestamp(), pgoffload.end_stalled_claims()")) {
      var row = statement.executeQuery();
      row.next();
      clock.said(row.getObject(2, OffsetDateTime.class).toInstant());
      share.accept(row.getInt(1));
      if (row.getInt(3) > 0) {
        LOG.warn(
            "Claims of dead workers were still under way; their sessions ({}) were ended",
            row.getInt(3));
      }
    } catch (SQLException | RuntimeException e) {
      LOG.debug("The live workers could not be counted; the last count stands", e);
    }
  }
}
