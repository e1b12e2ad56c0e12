package org.pgoffload.dev.faults.injections;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.pgoffload.dev.faults.installation.Await;
import org.pgoffload.dev.faults.installation.Shape;
import org.pgoffload.dev.servers.kafka.BrokerProcess;

/// Disks that are full.
final class DiskFaults {
  private static final Duration FULL = Duration.ofSeconds(8);

  private DiskFaults() {}

  static List<Fault> all() {
    return List.of(
        Fault.of(
                "postgres-disk-full",
                "PostgreSQL's disk is full for 8 s, then has room again",
                scene -> {
                  scene.endWithCalls(() -> fill(scene, scene.installation().postgresDirectory()));
                  // a server that has panicked does not start by itself
                  scene.installation().servers().startPostgres();
                  scene.measureRecovery("PostgreSQL");
                  scene.awaitRecovery();
                },
                Fault.Need.OWN_INSTALLATION,
                Fault.Need.SMALL_POSTGRES_DISK)
            .in(Shape.small())
            .lasting(Duration.ofSeconds(15)),
        Fault.of(
                "kafka-disk-full",
                "the broker's disk is full for 8 s, then has room again",
                scene -> {
                  fill(scene, scene.installation().kafkaDirectory());
                  restart(scene, scene.installation().servers().broker(), "Kafka");
                },
                Fault.Need.OWN_INSTALLATION,
                Fault.Need.SMALL_KAFKA_DISK)
            .in(Shape.small())
            .lasting(Duration.ofSeconds(15)),
        Fault.of(
                "broker-of-three-disk-full",
                "the disk of one of three brokers is full for 8 s, then has room again",
                scene -> {
                  fill(scene, scene.installation().kafkaDirectory());
                  scene.measureRecovery("without broker 1");
                  scene.awaitRecovery();
                  restart(scene, scene.installation().servers().cluster().broker(1), "broker 1");
                },
                Fault.Need.SMALL_KAFKA_DISK)
            .in(Shape.ofThreeBrokers())
            .lasting(Duration.ofSeconds(25)));
  }

  private static void restart(Scene scene, BrokerProcess broker, String name) {
    scene.note("the broker " + (broker.isRunning() ? "went on" : "had ended"));
    broker.kill();
    scene.installation().servers().startBroker();
    scene.measureRecovery(name);
    scene.awaitRecovery();
  }

  /// Fills the disk of a directory with a file, for some time.
  private static void fill(Scene scene, Path directory) {
    var ballast = directory.resolve("ballast");
    long filled = 0;
    try (var file = new RandomAccessFile(ballast.toFile(), "rw")) {
      var block = new byte[64 * 1024];
      long end = System.nanoTime() + FULL.toNanos();
      // space that is given back meanwhile is taken again
      while (System.nanoTime() < end) {
        try {
          file.write(block);
          filled += block.length;
        } catch (IOException full) {
          Await.pause(Duration.ofMillis(20));
        }
      }
      // room again
      file.setLength(0);
    } catch (IOException e) {
      throw new UncheckedIOException("the disk cannot be filled", e);
    }
    scene.note("filled " + filled / (1024 * 1024) + " MiB");
  }
}
