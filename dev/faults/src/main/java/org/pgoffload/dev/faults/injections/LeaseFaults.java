package org.pgoffload.dev.faults.injections;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.pgoffload.dev.faults.installation.Await;
import org.pgoffload.dev.faults.installation.PartProcess;
import org.pgoffload.dev.faults.installation.Sql;

/// Leases that end while something is under way.
final class LeaseFaults {
  private static final Duration PAST_THE_LEASE = Duration.ofSeconds(6);
  private static final int TRIES = 3000;

  private LeaseFaults() {}

  static List<Fault> all() {
    return List.of(
        Fault.of(
                "claim-stalled-while-lease-dies",
                "a session stands still in the middle of a claim for 6 s; its worker is killed",
                LeaseFaults::stallClaim)
            .lasting(Duration.ofSeconds(20)),
        Fault.of(
            "worker-returns-under-its-name",
            "SIGKILL of a worker, which is started at once under its old name",
            scene -> {
              var worker = scene.someWorker();
              scene.killWorker(worker);
              worker.startUnderItsName();
              scene.measureRecovery("worker");
              worker.awaitReady();
              scene.awaitRecovery();
            }));
  }

  private static void stallClaim(Scene scene) throws SQLException {
    try (var session = scene.installation().admin().connect("faults")) {
      long stalled = stallAnyClaim(session);
      if (stalled == 0) {
        scene.problem("no session was met in the middle of a claim");
        return;
      }
      try {
        var name =
            Sql.query(
                    session, "select application_name from pg_stat_activity where pid = " + stalled)
                .getFirst();
        scene.note("stalled in " + name);
        // the claim's own worker: its session is the one that stands still
        for (var worker : scene.installation().workers()) {
          if (name.contains(worker.identity())) {
            scene.killWorker(worker);
          }
        }
        scene.pause(PAST_THE_LEASE);
      } finally {
        PartProcess.signal("CONT", stalled);
      }
      scene.measureRecovery("claim");
      scene.awaitRecovery();
    }
  }

  /// Stops a session that has written a claim and not committed it.
  ///
  /// @return its process, or 0 if none was met
  private static long stallAnyClaim(Connection session) throws SQLException {
    for (int i = 0; i < TRIES; i++) {
      var met = Sql.query(session, claims(""));
      if (met.isEmpty()) {
        Await.pause(Duration.ofMillis(1));
        continue;
      }
      long pid = Long.parseLong(met.getFirst());
      PartProcess.signal("STOP", pid);
      // still in the middle of it, and it holds nothing that others need to go on
      if (!Sql.query(session, claims(" and pid = " + pid)).isEmpty() && othersCommit(session)) {
        return pid;
      }
      PartProcess.signal("CONT", pid);
    }
    return 0;
  }

  private static String claims(String which) {
    return """
    select pid from pg_stat_activity
    where usename = 'pgoffload_worker' and state = 'active' and backend_xid is not null
      and query ~ 'claim_(llm|sql)'\
    """
        + which;
  }

  private static boolean othersCommit(Connection session) {
    try {
      Sql.execute(session, "set statement_timeout = '300ms'");
      Sql.execute(session, "select pg_current_xact_id()");
      return true;
    } catch (SQLException e) {
      return false;
    } finally {
      try {
        Sql.execute(session, "set statement_timeout = 0");
      } catch (SQLException e) {
        // the next statement says so
      }
    }
  }
}
