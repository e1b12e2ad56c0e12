package org.pgoffload.worker.sql;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.pgoffload.platform.Query;
import org.pgoffload.worker.sql.sessions.SqlClaim.EarlierSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Ends the database sessions of earlier attempts, and waits until they are gone: after its
/// client's death a session goes on running, and holding its locks.
final class EndSessions {
  private static final Logger LOG = LoggerFactory.getLogger(EndSessions.class);

  private static final int FIRST_PAUSE_MILLIS = 2;
  private static final int LONGEST_PAUSE_MILLIS = 200;

  private EndSessions() {}

  /// @param connection of the same role, in autocommit
  /// @throws SQLException if the server could not be asked; some may live then
  static void run(Connection connection, long id, List<EarlierSession> sessions)
      throws SQLException, InterruptedException {
    for (var session : sessions) {
      int pause = FIRST_PAUSE_MILLIS;
      boolean said = false;
      // again and again: the first signal may come before the session listens to it
      while (isAlive(connection, session)) {
        if (!said && pause == LONGEST_PAUSE_MILLIS) {
          said = true;
          LOG.info(
              "Request {} waits until the session of its last attempt (pid {}) has ended",
              id,
              session.pid());
        }
        Thread.sleep(pause);
        pause = Math.min(LONGEST_PAUSE_MILLIS, pause * 2);
      }
    }
  }

  private static boolean isAlive(Connection connection, EarlierSession session)
      throws SQLException {
    return Query.exists(
        connection,
        """
        select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity a
        where a.pid = ? and a.backend_start = ?::pg_catalog.timestamptz
        """,
        session.pid(),
        session.started());
  }
}
