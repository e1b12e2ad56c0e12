package org.pgoffload.worker.llm;

import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.pgoffload.worker.delivery.DatabaseClock;
import org.pgoffload.worker.llm.calls.MakeCalls;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Counts the live workers every few seconds: they share the configured limits. Learns the
/// database's time as well.
public final class CountWorkers implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(CountWorkers.class);

  private static final int SECONDS = 3;

  private final DataSource database;
  private final MakeCalls make;
  private final DatabaseClock clock;

  private CountWorkers(DataSource database, MakeCalls make, DatabaseClock clock) {
    this.database = database;
    this.make = make;
    this.clock = clock;
  }

  public static void every(
      ScheduledExecutorService timer, DataSource database, MakeCalls make, DatabaseClock clock) {
    var _ =
        timer.scheduleWithFixedDelay(
            new CountWorkers(database, make, clock), 0, SECONDS, TimeUnit.SECONDS);
  }

  @Override
  public void run() {
    try (var connection = database.getConnection();
        var statement =
            connection.prepareStatement("select pgoffload.live_workers(), clock_timestamp()")) {
      var row = statement.executeQuery();
      row.next();
      clock.said(row.getObject(2, OffsetDateTime.class).toInstant());
      make.shareWith(row.getInt(1));
    } catch (SQLException | RuntimeException e) {
      LOG.debug("The live workers could not be counted; the last count stands", e);
    }
  }
}
