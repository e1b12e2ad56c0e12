package org.pgoffload.dev.faults.injections;

import java.time.Duration;
import java.util.List;
import org.pgoffload.dev.faults.installation.Await;
import org.pgoffload.dev.faults.installation.Installation;

/// The slot, which is the one position of the capture, is gone. What was committed is answered once
/// `pgoffload install` has made it anew; immediate calls may end with a clear error.
final class SlotFaults {
  private SlotFaults() {}

  static List<Fault> all() {
    return List.of(
        Fault.of(
                "slot-dropped-while-stopped",
                "the slot is dropped while the producer is stopped; then install, and a new start",
                SlotFaults::whileStopped,
                Fault.Need.OWN_INSTALLATION,
                Fault.Need.TELLS_CALLERS)
            .lasting(Duration.ofSeconds(15)),
        Fault.of(
                "slot-dropped-while-streaming",
                "the slot is dropped under the producer that streams from it; then install",
                SlotFaults::whileStreaming,
                Fault.Need.OWN_INSTALLATION,
                Fault.Need.TELLS_CALLERS)
            .lasting(Duration.ofSeconds(15)));
  }

  private static void whileStopped(Scene scene) throws Exception {
    var producer = scene.installation().producer();
    producer.terminate();
    scene.pause(Duration.ofSeconds(2));
    scene.execute("select pg_drop_replication_slot('" + Installation.SLOT + "')");
    producer.start();
    scene.pause(Duration.ofSeconds(3));
    install(scene);
    producer.awaitReady();
    scene.awaitRecovery();
  }

  private static void whileStreaming(Scene scene) throws Exception {
    // an active slot cannot be dropped: the drop has to win the race against the restart
    Await.until(
        () -> {
          try {
            scene.query(
                """
                select pg_terminate_backend(active_pid, 1000), pg_drop_replication_slot(slot_name)
                from pg_replication_slots where slot_name = '%s' and active\
                """
                    .formatted(Installation.SLOT));
            return scene.query("select from pg_replication_slots").isEmpty();
          } catch (java.sql.SQLException e) {
            return false;
          }
        },
        Duration.ofSeconds(20),
        () -> "the slot could not be dropped");
    scene.pause(Duration.ofSeconds(3));
    install(scene);
    scene.awaitRecovery();
  }

  private static void install(Scene scene) {
    var said = scene.installation().install();
    said.lines()
        .filter(line -> line.contains("slot") || line.contains("sent again"))
        .reduce((_, last) -> last)
        .ifPresent(scene::note);
    scene.measureRecovery("slot");
  }
}
