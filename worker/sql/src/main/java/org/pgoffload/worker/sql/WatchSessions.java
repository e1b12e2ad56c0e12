package org.pgoffload.worker.sql;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.Set;
import org.pgoffload.telemetry.LogRequest;
import org.pgoffload.worker.sql.sessions.RunningTask;
import org.pgoffload.worker.sql.sessions.SqlClaim.EarlierSession;
import org.pgoffload.worker.sql.sessions.TaskSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Notices tasks that wait for a session which the server does not have any more: behind a firewall
/// that forgot the connection, or after the loss of a machine, nobody says so on the connection
/// itself. It is broken off then, and the task goes the way of every other that has lost its
/// session.
///
/// For one thread.
final class WatchSessions {
  private static final Logger LOG = LoggerFactory.getLogger(WatchSessions.class);

  private final TaskRecords records;
  private final Duration longerThan;

  /// Gone when they were looked at last. What ends just then needs a moment to hear of it.
  private Set<EarlierSession> suspects = Set.of();

  /// @param longerThan sessions that have been used for less are not looked at
  WatchSessions(TaskRecords records, Duration longerThan) {
    this.records = records;
    this.longerThan = longerThan;
  }

  /// Looks at all once, in one statement, and breaks off the connections of those that were gone
  /// the last time as well.
  void look(Collection<RunningTask> tasks) {
    var used = new ArrayList<RunningTask>();
    var uses = new ArrayList<TaskSession>();
    for (var task : tasks) {
      var use = task.use();
      if (use.isPresent() && System.nanoTime() - use.get().since() >= longerThan.toNanos()) {
        used.add(task);
        uses.add(use.get().session());
      }
    }
    if (uses.isEmpty()) {
      suspects = Set.of();
      return;
    }
    Set<EarlierSession> gone;
    try {
      gone = records.sessionsGone(uses.stream().map(TaskSession::identity).toList());
    } catch (SQLException e) {
      // while the server cannot be asked, nothing new is known
      LOG.debug("The sessions of {} tasks could not be looked at", uses.size(), e);
      return;
    }
    var next = new HashSet<EarlierSession>();
    for (int i = 0; i < uses.size(); i++) {
      var session = uses.get(i);
      if (!gone.contains(session.identity())) {
        continue;
      }
      next.add(session.identity());
      if (suspects.contains(session.identity())) {
        try (var _ = LogRequest.of(used.get(i).id())) {
          LOG.warn(
              "The session of request {} (pid {}) does not exist any more, and nobody has said so: its"
                  + " connection is broken off",
              used.get(i).id(),
              session.identity().pid());
        }
        session.abort();
      }
    }
    suspects = next;
  }
}
