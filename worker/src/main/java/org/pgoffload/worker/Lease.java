package org.pgoffload.worker;

import java.sql.SQLException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import javax.sql.DataSource;
import org.pgoffload.worker.sql.WorkerLease;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// This process's lease in the database, renewed every second by the database's clock. When it is
/// lost to another process of its name, it registers anew with the next epoch. What it had claimed
/// before it stood still may have been taken over by then, and the first result wins.
///
/// Safe to share between threads.
final class Lease implements AutoCloseable, WorkerLease {
  private static final Logger LOG = LoggerFactory.getLogger(Lease.class);

  private final DataSource database;
  private final WorkerConfiguration configuration;
  private final String provider;
  private final String model;
  private final IntSupplier inFlight;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().name("pgoffload-lease").daemon().factory());
  private volatile long epoch;

  /// Registers and begins to renew.
  ///
  /// @throws SQLException if the database cannot be asked
  Lease(
      DataSource database,
      WorkerConfiguration configuration,
      String provider,
      String model,
      IntSupplier inFlight)
      throws SQLException {
    this.database = database;
    this.configuration = configuration;
    this.provider = provider;
    this.model = model;
    this.inFlight = inFlight;
    register();
    var _ = timer.scheduleWithFixedDelay(this::renew, 1, 1, TimeUnit.SECONDS);
  }

  @Override
  public String worker() {
    return configuration.name();
  }

  @Override
  public long epoch() {
    return epoch;
  }

  /// What to do when the lease was found to be lost: one that has only run out, because the
  /// database or this process stood still, is renewed with its epoch, so that what runs here stays
  /// claimed. Otherwise this registers with the next epoch.
  ///
  /// @param lost the epoch that was found to be lost; nothing is done if it is no longer this one
  @Override
  public synchronized void recover(long lost) throws SQLException {
    if (lost == epoch && !renewed()) {
      LOG.warn("The lease of worker {} is gone; registering again", configuration.name());
      register();
    }
  }

  private synchronized void register() throws SQLException {
    try (var connection = database.getConnection();
        var statement =
            connection.prepareStatement("select pgoffload.register_worker(?, ?, ?, ?)")) {
      statement.setString(1, configuration.name());
      statement.setString(2, provider);
      statement.setString(3, model);
      statement.setString(4, configuration.version());
      var row = statement.executeQuery();
      row.next();
      epoch = row.getLong(1);
    }
  }

  private void renew() {
    try {
      recover(epoch);
    } catch (SQLException | RuntimeException e) {
      LOG.warn(
          "The lease could not be renewed; others count this worker as dead after 4 s: {}",
          e.getMessage());
    }
  }

  private boolean renewed() throws SQLException {
    try (var connection = database.getConnection();
        var statement = connection.prepareStatement("select pgoffload.renew_lease(?, ?, ?)")) {
      statement.setString(1, configuration.name());
      statement.setLong(2, epoch);
      statement.setInt(3, inFlight.getAsInt());
      var row = statement.executeQuery();
      row.next();
      return row.getBoolean(1);
    }
  }

  /// Gives the lease up, so that what was left unfinished is taken over at once.
  @Override
  public void close() {
    timer.shutdownNow();
    try {
      // a renewal under way would find the lease gone and register again
      if (!timer.awaitTermination(3, TimeUnit.SECONDS)) {
        LOG.warn("A renewal is still under way; the lease ends by itself");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    try (var connection = database.getConnection();
        var statement = connection.prepareStatement("select pgoffload.release_lease(?, ?)")) {
      statement.setString(1, configuration.name());
      statement.setLong(2, epoch);
      statement.execute();
    } catch (SQLException e) {
      LOG.warn("The lease could not be released; it ends by itself after 4 s: {}", e.getMessage());
    }
  }
}
