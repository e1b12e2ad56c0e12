package org.pgoffload.results;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.Query;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps maintained columns going: every second, where there are any, the database decides what is
/// to be read, written or paused (`pgoffload.step_maintained`). Of several results applications one
/// does it at a time. On a thread and a session of its own, so that no result waits for it.
final class StepMaintained {
  private static final Logger LOG = LoggerFactory.getLogger(StepMaintained.class);
  private static final Duration STEP = Duration.ofSeconds(1);
  private static final Duration WITHOUT_ANY = Duration.ofSeconds(5);
  private static final Duration PATIENCE = Duration.ofSeconds(10);
  private static final Duration PATIENCE_AT_CLOSE = Duration.ofSeconds(1);

  private final ConnectAsPart database;
  private final CountDownLatch closing;
  private final Complaint complaint = new Complaint(LOG);
  private final Thread thread;
  private @Nullable Connection connection;

  private StepMaintained(ConnectAsPart database, CountDownLatch closing) {
    this.database = database;
    this.closing = closing;
    this.thread = Thread.ofVirtual().name("pgoffload-maintained").unstarted(this::run);
  }

  /// Begins to take steps, until `closing` is counted down.
  static StepMaintained start(ConnectAsPart database, CountDownLatch closing) {
    var step = new StepMaintained(database, closing);
    step.thread.start();
    return step;
  }

  private void run() {
    try {
      var pause = Duration.ZERO;
      while (!closing.await(pause.toMillis(), TimeUnit.MILLISECONDS)) {
        pause = step();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      disconnect();
    }
  }

  private Duration step() {
    try {
      var open = connection;
      if (open == null) {
        open = database.connect("pgoffload maintained", PATIENCE.plusSeconds(2), PATIENCE);
        connection = open;
      }
      int columns = Query.row(open, "select pgoffload.step_maintained()", row -> row.getInt(1));
      complaint.end("Maintained columns go on");
      return columns == 0 ? WITHOUT_ANY : STEP;
    } catch (SQLException e) {
      disconnect();
      if (closing.getCount() > 0) {
        complaint.of("Maintained columns wait, because of the database: " + e.getMessage());
      }
      return STEP;
    }
  }

  /// Waits until the last step has ended. Interrupts one that waits.
  void awaitEnd() throws InterruptedException {
    if (!thread.join(PATIENCE_AT_CLOSE)) {
      thread.interrupt();
      thread.join();
    }
  }

  private void disconnect() {
    var open = connection;
    if (open != null) {
      connection = null;
      try {
        open.close();
      } catch (SQLException e) {
        LOG.debug("The connection was broken already", e);
      }
    }
  }
}
