package org.pgoffload.producer;

import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Warns in the log while the slot retains so much WAL that it may be lost, well before it is: what
/// `llm_health` shows of the capture.
///
/// Runs on a thread of its own until it is interrupted.
final class WatchSlot implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(WatchSlot.class);

  private static final Duration INTERVAL = Duration.ofSeconds(10);

  private final ProducerConfiguration configuration;
  private final Duration interval;
  private String lastState = "ok";

  WatchSlot(ProducerConfiguration configuration) {
    this(configuration, INTERVAL);
  }

  WatchSlot(ProducerConfiguration configuration, Duration interval) {
    this.configuration = configuration;
    this.interval = interval;
  }

  @Override
  public void run() {
    try {
      while (true) {
        try {
          look();
        } catch (SQLException e) {
          // the supervisor says so
          LOG.debug("The slot cannot be looked at", e);
        }
        Thread.sleep(interval);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void look() throws SQLException {
    var properties = configuration.database().properties("pgoffload producer watch");
    properties.setProperty("socketTimeout", "10");
    try (var connection =
            DriverManager.getConnection(configuration.database().jdbcUrl(), properties);
        var statement =
            connection.prepareStatement(
                "select state, detail, advice from pgoffload.slot_health(?)")) {
      statement.setString(1, configuration.slot());
      var row = statement.executeQuery();
      row.next();
      var state = row.getString(1);
      if (state.equals(lastState)) {
        return;
      }
      switch (state) {
        case "ok" -> LOG.info("{}", row.getString(2));
        case "warning" -> LOG.warn("{}. {}", row.getString(2), row.getString(3));
        default -> LOG.error("{}. {}", row.getString(2), row.getString(3));
      }
      lastState = state;
    }
  }
}
