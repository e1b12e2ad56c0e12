package org.pgoffload.dev.faults.injections;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import org.pgoffload.dev.faults.installation.Part;
import org.pgoffload.dev.faults.installation.StubVendor;

/// Several faults, one soon after the other, drawn at random. What they end is started again at
/// once, as a supervisor of the parts would.
public final class RandomMix {
  private static final int FAULTS = 4;
  private static final Duration A_MOMENT = Duration.ofSeconds(1);

  private RandomMix() {}

  private record Blow(String name, Fault.Injection injection) {}

  private static final List<Blow> BLOWS =
      List.of(
          new Blow(
              "worker killed",
              scene -> {
                var worker = scene.someWorker();
                scene.endWithCalls(worker::kill);
                worker.start();
              }),
          new Blow(
              "worker stopped for 6 s",
              scene -> {
                var worker = scene.someWorker();
                scene.stopWorker(worker);
                scene.pause(Duration.ofSeconds(6));
                worker.process().thaw();
              }),
          new Blow("producer killed", scene -> restart(scene.installation().producer())),
          new Blow("results killed", scene -> restart(scene.installation().results())),
          new Blow(
              "PostgreSQL killed",
              scene -> {
                scene.endWithCalls(scene.installation().servers().postgres()::stopImmediately);
                scene.installation().servers().startPostgres();
              }),
          new Blow(
              "broker killed",
              scene -> {
                scene.installation().servers().broker().kill();
                scene.installation().servers().startBroker();
              }),
          new Blow(
              "sessions terminated",
              scene ->
                  scene.query(
                      """
                      select pg_terminate_backend(pid) from pg_stat_activity
                      where pid <> pg_backend_pid()
                        and (backend_type = 'walsender' or application_name like 'pg%')\
                      """)),
          new Blow("model fails", scene -> misbehave(scene, StubVendor.Mode.FAILING)),
          new Blow("model refuses", scene -> misbehave(scene, StubVendor.Mode.REFUSING)),
          new Blow("model breaks off", scene -> misbehave(scene, StubVendor.Mode.CUTTING)));

  /// A fault of several, which the random numbers choose.
  public static Fault round(int number, Random random) {
    var chosen = new ArrayList<Blow>();
    for (int i = 0; i < FAULTS; i++) {
      chosen.add(BLOWS.get(random.nextInt(BLOWS.size())));
    }
    var names = chosen.stream().map(Blow::name).collect(Collectors.joining(", "));
    return Fault.of(
            "mix-" + number,
            names,
            scene -> {
              scene.note(names);
              for (var blow : chosen) {
                blow.injection().into(scene);
                scene.pause(Duration.ofMillis(200), Duration.ofMillis(2500));
              }
              scene.measureRecovery("all");
              scene.awaitRecovery();
            })
        .lasting(Duration.ofSeconds(15));
  }

  private static void restart(Part part) {
    part.kill();
    part.start();
  }

  private static void misbehave(Scene scene, StubVendor.Mode mode) {
    var stub = scene.installation().stub();
    stub.behave(new StubVendor.Manner(mode, 0.5, Duration.ofMillis(40)));
    scene.pause(A_MOMENT);
    stub.behave(StubVendor.Manner.USUAL);
  }
}
