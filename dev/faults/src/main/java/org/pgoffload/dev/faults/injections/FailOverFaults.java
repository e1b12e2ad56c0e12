package org.pgoffload.dev.faults.injections;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.pgoffload.dev.faults.installation.Await;
import org.pgoffload.dev.faults.installation.Installation;
import org.pgoffload.dev.faults.installation.Part;
import org.pgoffload.dev.faults.installation.Shape;
import org.pgoffload.dev.faults.installation.Sql;
import org.pgoffload.dev.servers.PostgresVersion;

/// PostgreSQL's standby takes the place of its primary. With a synchronous one nothing is lost;
/// what an asynchronous one had not got counts as never asked.
final class FailOverFaults {
  private static final Shape SYNCHRONOUS =
      Shape.with(Shape.Standby.SYNCHRONOUS, PostgresVersion.V18);
  private static final Shape ASYNCHRONOUS =
      Shape.with(Shape.Standby.ASYNCHRONOUS, PostgresVersion.V18);

  /// Long enough for parts that would go back to the former primary to do so.
  private static final Duration BESIDE_IT = Duration.ofSeconds(8);

  private static final Duration LOAD = Duration.ofSeconds(25);

  private FailOverFaults() {}

  static List<Fault> all() {
    return List.of(
        Fault.of(
                "postgres-switched-over",
                "the primary is stopped in an orderly way, its standby promoted; they change places",
                FailOverFaults::switchOver)
            .in(SYNCHRONOUS)
            .lasting(LOAD),
        Fault.of(
                "postgres-failed-over-synchronous",
                "the primary crashes and stays away; the standby that commits wait for is promoted",
                FailOverFaults::failOver)
            .in(SYNCHRONOUS)
            .lasting(LOAD),
        Fault.of(
                "postgres-failed-over-asynchronous",
                "replication is cut, the primary crashes 1 s later, and the standby is promoted",
                scene -> {
                  scene.installation().servers().databases().cutReplication();
                  scene.pause(Duration.ofSeconds(1));
                  failOverWithLoss(scene);
                  scene.awaitRecovery();
                })
            .in(ASYNCHRONOUS)
            .lasting(LOAD),
        Fault.of(
                "postgres-old-primary-returns",
                "the standby is promoted; the former primary comes back, and all parts start anew",
                FailOverFaults::returnOfTheFormerPrimary)
            .in(ASYNCHRONOUS)
            .lasting(Duration.ofSeconds(40)),
        Fault.of(
                "postgres-without-slot-sync",
                "the standby of PostgreSQL 16 is promoted, without the slot; maintain makes it",
                FailOverFaults::failOverWithoutTheSlot,
                Fault.Need.TELLS_CALLERS)
            .in(Shape.with(Shape.Standby.SYNCHRONOUS, PostgresVersion.V16))
            .lasting(LOAD));
  }

  private static void switchOver(Scene scene) {
    var databases = scene.installation().servers().databases();
    scene.endWithCalls(
        () -> scene.note(databases.stopPrimary() ? "stopped in order" : "stopped at once"));
    scene.promote();
    scene.awaitRecovery();
    databases.rejoin();
    databases.awaitStandby();
    // and back
    scene.pause(Duration.ofSeconds(2));
    scene.endWithCalls(
        () -> scene.note(databases.stopPrimary() ? "stopped in order" : "stopped at once"));
    scene.promote();
    scene.awaitRecovery();
  }

  private static void failOver(Scene scene) {
    scene.endWithCalls(scene.installation().servers().databases()::crashPrimary);
    scene.promote();
    scene.awaitRecovery();
  }

  private static void failOverWithLoss(Scene scene) throws SQLException {
    scene.endWithCalls(scene.installation().servers().databases()::crashPrimary);
    scene.promoteWithLoss();
  }

  private static void returnOfTheFormerPrimary(Scene scene) throws SQLException {
    var installation = scene.installation();
    var databases = installation.servers().databases();
    failOverWithLoss(scene);
    scene.awaitRecovery();
    var former = databases.startFormerPrimary();
    try (var session = installation.adminOf(former.port()).connect("faults")) {
      long before = writes(session);
      // those that run keep away from it, and so do those that start
      scene.pause(BESIDE_IT);
      installation.workers().forEach(worker -> scene.endWithCalls(worker::kill));
      installation.producer().kill();
      installation.results().kill();
      installation.parts().forEach(Part::start);
      scene.measureRecovery("beside the former primary");
      scene.awaitRecovery();
      scene.pause(BESIDE_IT);
      long written = writes(session) - before;
      if (written > 0) {
        scene.problem("parts wrote " + written + " rows to the former primary");
      }
    } finally {
      former.stopImmediately();
    }
  }

  /// The rows that were ever written to pgoffload's tables.
  private static long writes(java.sql.Connection session) throws SQLException {
    // a session remembers what it has once read
    Sql.execute(session, "select pg_stat_clear_snapshot()");
    return Sql.number(
        session,
        """
        select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint
        from pg_stat_user_tables where schemaname = 'pgoffload'\
        """);
  }

  private static void failOverWithoutTheSlot(Scene scene) {
    var installation = scene.installation();
    var maintenance = installation.part("maintain", "maintain", List.of());
    maintenance.start();
    try {
      failOver(scene);
      Await.until(
          () -> hasSlot(scene),
          Duration.ofMinutes(2),
          () -> "nobody has made the slot on the promoted server");
    } finally {
      maintenance.terminate();
    }
  }

  private static boolean hasSlot(Scene scene) {
    try {
      return !scene
          .query(
              "select slot_name from pg_replication_slots where slot_name = '"
                  + Installation.SLOT
                  + "'")
          .isEmpty();
    } catch (SQLException e) {
      return false;
    }
  }
}
