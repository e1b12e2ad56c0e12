package org.pgoffload.worker.sql;

import java.sql.SQLException;
import java.time.Duration;
import org.pgoffload.platform.DatabaseFault;
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
    T ask() throws SQLException, InterruptedException;
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
        if (!DatabaseFault.isTransient(e)) {
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
}
