package org.pgoffload.producer;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.telemetry.Health;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Warns while the slot retains so much WAL that it may be lost, well before it is: in the log when
/// that changes, and as metrics. `llm_health` shows the same.
///
/// Runs on a thread of its own until it is interrupted.
final class WatchSlot implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(WatchSlot.class);

  private static final Duration INTERVAL = Duration.ofSeconds(10);

  private static final List<String> STATES = List.of("ok", "warning", "error");

  private final ConnectAsPart database;
  private final ProducerConfiguration configuration;
  private final Duration interval;
  private volatile double retainedBytes = Double.NaN;
  private volatile double limitBytes = Double.NaN;
  private volatile String lastState = "ok";
  private volatile long lastLook;
  private volatile boolean looked;
  private String lastSaid = "oknull";

  WatchSlot(ConnectAsPart database, ProducerConfiguration configuration, MeterRegistry metrics) {
    this(database, configuration, metrics, INTERVAL);
  }

  WatchSlot(
      ConnectAsPart database,
      ProducerConfiguration configuration,
      MeterRegistry metrics,
      Duration interval) {
    this.database = database;
    this.configuration = configuration;
    this.interval = interval;
    Gauge.builder("pgoffload.slot.retained", this, watch -> watch.retainedBytes)
        .description("WAL that the replication slot retains; NaN while there is no slot")
        .baseUnit("bytes")
        .tag("slot", configuration.slot())
        .register(metrics);
    Gauge.builder("pgoffload.slot.limit", this, watch -> watch.limitBytes)
        .description("max_slot_wal_keep_size, beyond which the slot is lost; NaN without a limit")
        .baseUnit("bytes")
        .tag("slot", configuration.slot())
        .register(metrics);
    for (var state : STATES) {
      Gauge.builder("pgoffload.slot.state", this, watch -> watch.lastState.equals(state) ? 1 : 0)
          .description("1 for the state in which the slot is, as llm_health says it")
          .tag("slot", configuration.slot())
          .tag("state", state)
          .register(metrics);
    }
  }

  /// How the slot does, by the last look at it.
  Health health() {
    if (!looked
        || System.nanoTime() - lastLook > interval.multipliedBy(3).plusSeconds(5).toNanos()) {
      return Health.waiting("the database could not be asked lately; the log says why");
    }
    return lastState.equals("error")
        ? Health.waiting("the slot cannot be read from; llm_health says why")
        : Health.ready("watches replication slot " + configuration.slot());
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
    try (var connection = database.connect("pgoffload producer watch", INTERVAL);
        var statement =
            connection.prepareStatement(
                "select state, detail, advice, retained_bytes::float8, keep_bytes::float8 from"
                    + " pgoffload.slot_health(?)")) {
      statement.setString(1, configuration.slot());
      var row = statement.executeQuery();
      row.next();
      retainedBytes = orNan(row, 4);
      limitBytes = orNan(row, 5);
      lastLook = System.nanoTime();
      looked = true;
      var state = row.getString(1);
      lastState = state;
      // one state has several reasons, and the advice names them without figures
      var said = state + row.getString(3);
      if (said.equals(lastSaid)) {
        return;
      }
      lastSaid = said;
      switch (state) {
        case "ok" -> LOG.info("{}", row.getString(2));
        case "warning" -> LOG.warn("{}. {}", row.getString(2), row.getString(3));
        default -> LOG.error("{}. {}", row.getString(2), row.getString(3));
      }
    }
  }

  private static double orNan(ResultSet row, int column) throws SQLException {
    double value = row.getDouble(column);
    return row.wasNull() ? Double.NaN : value;
  }
}
