package org.pgoffload.producer;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Query;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// On PostgreSQL 15 and 16 a message that is not bound to a commit waits in memory until the WAL is
/// flushed. This class commits a tiny message every few tens of milliseconds, so that an immediate
/// call waits no longer than that.
final class FlushMessages implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(FlushMessages.class);

  private static final int FIRST_THAT_FLUSHES = 170000;
  private static final long INTERVAL_MILLIS = 25;

  /// A server that has vanished must not hold the next flush, or the end, for ever.
  private static final Duration SILENCE = Duration.ofSeconds(10);

  private final DatabaseAddress database;
  private final @Nullable ScheduledExecutorService timer;
  private @Nullable Connection connection;

  private FlushMessages(DatabaseAddress database, boolean needed) {
    this.database = database;
    this.timer =
        needed
            ? Executors.newSingleThreadScheduledExecutor(
                Thread.ofVirtual().name("pgoffload-flush").factory())
            : null;
    if (timer != null) {
      var _ = timer.scheduleWithFixedDelay(this::flush, 0, INTERVAL_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  static FlushMessages startIfNeeded(DatabaseAddress database, int serverVersion) {
    return new FlushMessages(database, serverVersion < FIRST_THAT_FLUSHES);
  }

  private void flush() {
    try {
      if (connection == null || connection.isClosed()) {
        connection = database.connectAsPart("pgoffload producer flush", SILENCE);
      }
      Query.execute(
          connection, "select pg_catalog.pg_logical_emit_message(true, 'pgoffload.heartbeat', '')");
    } catch (SQLException | RuntimeException e) {
      LOG.debug("No flush this time; immediate calls wait for somebody else's", e);
      disconnect();
    }
  }

  private void disconnect() {
    if (connection != null) {
      try {
        connection.close();
      } catch (SQLException e) {
        LOG.debug("The connection was broken already", e);
      }
      connection = null;
    }
  }

  @Override
  public void close() {
    if (timer != null) {
      timer.shutdownNow();
      try {
        if (timer.awaitTermination(2, TimeUnit.SECONDS)) {
          disconnect();
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
