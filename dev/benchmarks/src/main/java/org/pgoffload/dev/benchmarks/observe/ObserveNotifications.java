package org.pgoffload.dev.benchmarks.observe;

import java.sql.Connection;
import java.sql.SQLException;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;
import org.pgoffload.platform.DatabaseAddress;
import org.postgresql.PGConnection;

/// Notes when `llm_done` tells of each request: the moment at which its result is committed.
public final class ObserveNotifications implements AutoCloseable {
  private final Connection connection;
  private final Arrivals arrivals = new Arrivals();
  private final Thread thread;
  private volatile boolean closing;

  private ObserveNotifications(Connection connection) throws SQLException {
    this.connection = connection;
    try (var statement = connection.createStatement()) {
      statement.execute("listen llm_done");
    }
    this.thread = Thread.ofPlatform().name("bench-observe-llm_done").start(this::observe);
  }

  public static ObserveNotifications open(DatabaseAddress application) throws SQLException {
    return new ObserveNotifications(application.connect("pgoffload bench"));
  }

  /// When each request was seen.
  public Arrivals arrivals() {
    return arrivals;
  }

  private void observe() {
    try (connection) {
      var notified = connection.unwrap(PGConnection.class);
      while (!closing) {
        for (var notification : notified.getNotifications(200)) {
          arrivals.arrived(notification.getParameter());
        }
      }
    } catch (SQLException e) {
      throw new BenchmarkException("notifications can no longer be received", e);
    }
  }

  @Override
  public void close() {
    closing = true;
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
