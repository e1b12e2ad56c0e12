package org.pgoffload.dev.faults.injections;

import java.time.Duration;
import java.util.List;
import org.pgoffload.dev.faults.installation.Shape;
import org.pgoffload.dev.servers.kafka.KafkaCluster;

/// Three brokers, of which some are away.
final class BrokersFaults {
  private static final Duration AWAY = Duration.ofSeconds(15);

  private BrokersFaults() {}

  static List<Fault> all() {
    return List.of(
        of(
            "broker-of-three-killed",
            "SIGKILL of a broker that leads partitions and is not the controller; it comes back",
            scene -> {
              var cluster = cluster(scene);
              kill(scene, cluster, leader(scene, cluster));
            }),
        of(
            "controller-killed",
            "SIGKILL of the broker that is the active controller; it comes back",
            scene -> {
              var cluster = cluster(scene);
              kill(scene, cluster, cluster.controller());
            }),
        of(
            "brokers-rolled",
            "each of three brokers is stopped in an orderly way and started, one after another",
            scene -> {
              var cluster = cluster(scene);
              for (int node : cluster.nodes()) {
                cluster.broker(node).stop();
                scene.measureRecovery("without broker " + node);
                scene.awaitRecovery();
                cluster.startStopped();
              }
            }),
        of(
            "two-of-three-away",
            "SIGKILL of two of three brokers, which stay away for 15 s",
            scene -> {
              var cluster = cluster(scene);
              int stays = leader(scene, cluster);
              cluster.nodes().stream()
                  .filter(node -> node != stays)
                  .forEach(node -> cluster.broker(node).kill());
              scene.pause(AWAY);
              scene.measureRecovery("Kafka");
              cluster.startStopped();
              scene.awaitRecovery();
            }));
  }

  private static Fault of(String name, String description, Fault.Injection injection) {
    return Fault.of(name, description, injection)
        .in(Shape.ofThreeBrokers())
        .lasting(Duration.ofSeconds(25));
  }

  private static KafkaCluster cluster(Scene scene) {
    return scene.installation().servers().cluster();
  }

  /// Without it, then with it again.
  private static void kill(Scene scene, KafkaCluster cluster, int node) {
    cluster.broker(node).kill();
    scene.measureRecovery("without broker " + node);
    scene.awaitRecovery();
    scene.measureRecovery("broker " + node);
    cluster.startStopped();
    scene.awaitRecovery();
  }

  /// A broker that leads a partition of requests, and another than the controller where there is
  /// one.
  private static int leader(Scene scene, KafkaCluster cluster) {
    var topic = scene.installation().topics().llmRequests();
    int controller = cluster.controller();
    int leader = cluster.leader(topic, 0);
    for (int partition = 1; leader == controller && partition < 3; partition++) {
      leader = cluster.leader(topic, partition);
    }
    return leader;
  }
}
