package org.pgoffload.dev.faults.injections;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.pgoffload.dev.faults.installation.Await;
import org.pgoffload.dev.faults.installation.FaultsException;
import org.pgoffload.dev.faults.installation.PartProcess;
import org.pgoffload.dev.faults.installation.Sql;

/// Leases that end while something is under way.
final class LeaseFaults {
  private static final Duration PAST_THE_LEASE = Duration.ofSeconds(6);

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
      long stalled = stallAnyClaim(scene, session);
      try {
        var name =
            Sql.query(
                    session, "select application_name from pg_stat_activity where pid = " + stalled)
                .getFirst();
        scene.note("stalled in " + name);
        // the claim's own worker: its session is the one that stands still
        for (var worker : scene.installation().workers()) {
          if (name.contains(worker.identity())) {
            scene.killWorkerAtOnce(worker);
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

  /// Has a session wait in the middle of a claim, for a lock, and stops it while it waits: it
  /// stands still there when the lock is given back.
  ///
  /// @return its process
  private static long stallAnyClaim(Scene scene, Connection session) throws SQLException {
    try (var lock = scene.installation().admin().connect("faults lock")) {
      Sql.execute(lock, "begin");
      Sql.execute(lock, "lock table pgoffload.claim in share mode");
      var waiting = new AtomicLong();
      Await.until(
          () -> {
            waiting.set(waitingClaim(session));
            return waiting.get() > 0;
          },
          Duration.ofSeconds(15),
          () -> "no worker claims anything");
      PartProcess.signal("STOP", waiting.get());
      Sql.execute(lock, "rollback");
      return waiting.get();
    }
  }

  private static long waitingClaim(Connection session) {
    try {
      return Sql.number(
          session,
          """
          select coalesce(min(pid), 0) from pg_stat_activity
          where usename = 'pgoffload_worker' and wait_event_type = 'Lock'
            and query ~ 'claim_(llm|sql)'\
          """);
    } catch (SQLException e) {
      throw new FaultsException("the sessions cannot be read", e);
    }
  }
}
