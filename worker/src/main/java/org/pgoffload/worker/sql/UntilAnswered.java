package org.pgoffload.worker.sql;

import java.io.IOException;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Asks the database until it answers: while it is away nothing fails.
final class UntilAnswered {
  private static final Logger LOG = LoggerFactory.getLogger(UntilAnswered.class);

  private static final Duration FIRST_PAUSE = Duration.ofMillis(50);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(1);

  private UntilAnswered() {}

  /// A question.
  @FunctionalInterface
  interface Question<T> {
    T ask() throws SQLException;
  }

  /// @param id of the request that waits for it
  /// @throws SQLException if the answer is no
  /// @throws InterruptedException if the worker is closing
  static <T> T ask(long id, Question<T> question) throws SQLException, InterruptedException {
    var pause = FIRST_PAUSE;
    while (true) {
      try {
        return question.ask();
      } catch (SQLException e) {
        if (Thread.currentThread().isInterrupted()) {
          throw new InterruptedException("closing, before the database had answered");
        }
        if (!isAway(e)) {
          throw e;
        }
        if (pause.equals(LONGEST_PAUSE)) {
          LOG.debug("Request {} waits for the database", id, e);
        }
        Thread.sleep(pause);
        pause = pause.multipliedBy(2);
        if (pause.compareTo(LONGEST_PAUSE) > 0) {
          pause = LONGEST_PAUSE;
        }
      }
    }
  }

  /// Whether the server, the connection or the moment is to blame, rather than what was asked.
  static boolean isAway(SQLException fault) {
    var state = fault.getSQLState();
    if (state == null
        || fault instanceof SQLTransientConnectionException
        || fault.getCause() instanceof IOException) {
      return true;
    }
    return switch (state.substring(0, Math.min(2, state.length()))) {
      // connection exception, insufficient resources, deadlock, system error
      case "08", "53", "40", "58" -> true;
      // shutting down, starting, a statement's timeout
      case "57" -> true;
      // a standby, before it is promoted
      case "25" -> state.equals("25006");
      default -> false;
    };
  }
}
