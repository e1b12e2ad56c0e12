package org.pgoffload.dev.faults.injections;

import java.time.Duration;
import java.util.List;
import java.util.function.Function;
import org.pgoffload.dev.faults.installation.Await;
import org.pgoffload.dev.faults.installation.Installation;
import org.pgoffload.dev.faults.installation.Part;

/// Parts that are killed, stopped and started.
final class PartFaults {
  private static final Duration PAST_THE_LEASE = Duration.ofSeconds(6);
  private static final Duration PERIOD = Duration.ofSeconds(3);

  /// What a producer says that waits until another has given the slot back.
  static final String STANDS_BY = "waiting to take over";

  private PartFaults() {}

  static List<Fault> all() {
    return List.of(
        Fault.of(
            "worker-killed",
            "SIGKILL of a worker under load; the other one takes over",
            scene -> scene.killWorker(scene.someWorker())),
        Fault.of(
            "workers-killed",
            "SIGKILL of both workers; what they had begun waits for their successors",
            PartFaults::killBothWorkers),
        Fault.of(
            "worker-killed-while-starting",
            "SIGKILL of a worker, and of its successor while it starts",
            scene -> {
              var worker = scene.someWorker();
              scene.killWorker(worker);
              killWhileStarting(scene, worker);
            }),
        Fault.of(
            "worker-stopped",
            "SIGSTOP of a worker for 6 s, past its lease; it wakes up and changes nothing",
            PartFaults::stopWorker),
        Fault.of(
                "workers-come-and-go",
                "every 3 s a worker joins, and one leaves, by SIGTERM and SIGKILL in turn",
                PartFaults::comeAndGo)
            .lasting(Duration.ofSeconds(20)),
        killed("producer", Installation::producer),
        killedWhileStarting("producer", Installation::producer),
        Fault.of(
            "two-producers",
            "a second producer waits for the slot; the first is killed",
            PartFaults::twoProducers),
        killed("results", Installation::results),
        killedWhileStarting("results", Installation::results));
  }

  private static Fault killed(String name, Function<Installation, Part> which) {
    return Fault.of(
        name + "-killed",
        "SIGKILL of " + name + " under load; it is started again",
        scene -> {
          var part = which.apply(scene.installation());
          part.kill();
          part.start();
          scene.measureRecovery(name);
          part.awaitReady();
        });
  }

  private static Fault killedWhileStarting(String name, Function<Installation, Part> which) {
    return Fault.of(
        name + "-killed-while-starting",
        "SIGKILL of " + name + ", and of its successor while it starts",
        scene -> {
          var part = which.apply(scene.installation());
          part.kill();
          killWhileStarting(scene, part);
          scene.measureRecovery(name);
          part.awaitReady();
        });
  }

  /// Twice, at different moments of its start; it is left running.
  private static void killWhileStarting(Scene scene, Part part) {
    for (int i = 0; i < 2; i++) {
      part.start();
      scene.pause(Duration.ofSeconds(1), Duration.ofMillis(3500));
      part.kill();
    }
    part.start();
  }

  private static void killBothWorkers(Scene scene) {
    for (var worker : scene.installation().workers()) {
      scene.killWorker(worker);
    }
    scene.installation().workers().forEach(Part::start);
    scene.measureRecovery("workers");
    scene.installation().workers().forEach(Part::awaitReady);
  }

  private static void stopWorker(Scene scene) {
    var worker = scene.someWorker();
    scene.stopWorker(worker);
    scene.pause(PAST_THE_LEASE);
    worker.process().thaw();
    // awake beside the worker that took over
    scene.pause(Duration.ofSeconds(3));
  }

  private static void comeAndGo(Scene scene) {
    var guest = scene.installation().worker("worker-c");
    guest.start();
    for (int i = 0; i < 5; i++) {
      scene.pause(PERIOD);
      var leaving = i % 2 == 0 ? scene.someWorker() : guest;
      if (i % 2 == 0) {
        leaving.terminate();
      } else if (leaving.runs()) {
        scene.killWorker(leaving);
      }
      leaving.start();
    }
    guest.terminate();
  }

  private static void twoProducers(Scene scene) {
    var second = scene.installation().part("producer-b", "producer", List.of("Capturing from"));
    second.start();
    Await.until(
        () -> second.process().says(STANDS_BY),
        Duration.ofMinutes(1),
        () -> "the second producer does not wait: " + second.process().output());
    var first = scene.installation().producer();
    first.kill();
    scene.measureRecovery("second producer");
    second.awaitReady();
    // the first one comes back, waits, and takes over in its turn
    first.start();
    scene.pause(Duration.ofSeconds(4));
    second.kill();
  }
}
