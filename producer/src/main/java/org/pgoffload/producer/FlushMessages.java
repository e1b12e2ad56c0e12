package org.pgoffload.producer;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Query;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// On PostgreSQL 15 and 16 a message that is not bound to a commit waits in memory until the WAL is
/// flushed. This class looks every few milliseconds whether something waits, and then commits a
/// tiny message, which flushes it, so that an immediate call waits no longer than that.
///
/// A look reads two numbers. Looks are 2 ms apart, and 10 after a second in which nothing has
/// waited. After a flush the next look comes 5 ms later, so that another session's long transaction
/// does not have it flush all the time; and after a slow one twice as late as it took, but no later
/// than 25 ms. A server that refuses a look is flushed every 25 ms.
final class FlushMessages implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(FlushMessages.class);

  private static final int FIRST_THAT_FLUSHES = 170000;
  private static final Duration BUSY = Duration.ofMillis(2);
  private static final Duration AFTER_A_FLUSH = Duration.ofMillis(5);
  private static final Duration IDLE = Duration.ofMillis(10);
  private static final Duration LONGEST = Duration.ofMillis(25);
  private static final Duration BUSY_AFTER_A_FLUSH = Duration.ofSeconds(1);

  /// No right to a function, no such function, or none of it in a vendor's server.
  private static final Set<String> REFUSALS =
      Set.of(DatabaseFault.INSUFFICIENT_PRIVILEGE, DatabaseFault.UNDEFINED_FUNCTION, "0A000");

  private static final String FLUSH =
      "pg_catalog.pg_logical_emit_message(true, 'pgoffload.heartbeat', '')";

  /// A server that has vanished must not hold the next flush, or the end, for ever.
  private static final Duration SILENCE = Duration.ofSeconds(10);

  private final ConnectAsPart database;
  private final @Nullable ScheduledExecutorService timer;
  private @Nullable Connection connection;
  private long busyUntil = System.nanoTime();
  private boolean refused;

  private FlushMessages(ConnectAsPart database, boolean needed) {
    this.database = database;
    this.timer =
        needed
            ? Executors.newSingleThreadScheduledExecutor(
                Thread.ofVirtual().name("pgoffload-flush").factory())
            : null;
    if (timer != null) {
      lookAgain(timer, Duration.ZERO);
    }
  }

  static FlushMessages startIfNeeded(ConnectAsPart database, int serverVersion) {
    return new FlushMessages(database, serverVersion < FIRST_THAT_FLUSHES);
  }

  private void lookAgain(ScheduledExecutorService timer, Duration pause) {
    try {
      var _ =
          timer.schedule(
              () -> lookAgain(timer, flushWhatWaits()), pause.toNanos(), TimeUnit.NANOSECONDS);
    } catch (RejectedExecutionException e) {
      LOG.debug("Closed meanwhile", e);
    }
  }

  /// Returns how long to pause before the next look.
  private Duration flushWhatWaits() {
    long began = System.nanoTime();
    var pause = LONGEST;
    try {
      if (connection == null || connection.isClosed()) {
        connection = database.connect("pgoffload producer flush", SILENCE);
      }
      pause = refused ? flush(connection) : look(connection);
    } catch (SQLException | RuntimeException e) {
      LOG.debug("No flush this time; immediate calls wait for somebody else's", e);
      disconnect();
    }
    return pauseAfter(Duration.ofNanos(System.nanoTime() - began), pause);
  }

  /// A look that took long is followed by a longer pause than usual, but never by a long one.
  static Duration pauseAfter(Duration took, Duration usual) {
    return Duration.ofNanos(
        Math.max(usual.toNanos(), Math.min(2 * took.toNanos(), LONGEST.toNanos())));
  }

  private Duration look(Connection connection) throws SQLException {
    boolean flushed;
    try {
      flushed =
          Query.row(
              connection,
              "select case when pg_catalog.pg_current_wal_insert_lsn()"
                  + " operator(pg_catalog.>) pg_catalog.pg_current_wal_flush_lsn() then "
                  + FLUSH
                  + " end is not null",
              row -> row.getBoolean(1));
    } catch (SQLException e) {
      if (!REFUSALS.contains(String.valueOf(e.getSQLState()))) {
        throw e;
      }
      LOG.info(
          "The server does not tell whether messages wait ({}): they are flushed every {} ms",
          e.getMessage(),
          LONGEST.toMillis());
      refused = true;
      return flush(connection);
    }
    if (flushed) {
      busyUntil = System.nanoTime() + BUSY_AFTER_A_FLUSH.toNanos();
      return AFTER_A_FLUSH;
    }
    return System.nanoTime() - busyUntil < 0 ? BUSY : IDLE;
  }

  private static Duration flush(Connection connection) throws SQLException {
    Query.execute(connection, "select " + FLUSH);
    return LONGEST;
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
