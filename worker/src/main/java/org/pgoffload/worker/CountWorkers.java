package org.pgoffload.worker;

import java.sql.SQLException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.pgoffload.worker.calls.MakeCalls;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Counts the live workers every few seconds: they share the configured limits.
final class CountWorkers implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(CountWorkers.class);

  private static final int SECONDS = 3;

  private final DataSource database;
  private final MakeCalls make;

  private CountWorkers(DataSource database, MakeCalls make) {
    this.database = database;
    this.make = make;
  }

  static void every(ScheduledExecutorService timer, DataSource database, MakeCalls make) {
    var _ =
        timer.scheduleWithFixedDelay(
            new CountWorkers(database, make), 0, SECONDS, TimeUnit.SECONDS);
  }

  @Override
  public void run() {
    try (var connection = database.getConnection();
        var statement = connection.prepareStatement("select pgoffload.live_workers()")) {
      var row = statement.executeQuery();
      row.next();
      make.shareWith(row.getInt(1));
    } catch (SQLException | RuntimeException e) {
      LOG.debug("The live workers could not be counted; the last count stands", e);
    }
  }
}
