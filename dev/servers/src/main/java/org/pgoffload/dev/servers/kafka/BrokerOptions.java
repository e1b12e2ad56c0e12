package org.pgoffload.dev.servers.kafka;

import java.nio.file.Path;
import java.util.Map;
import org.apache.kafka.common.Uuid;
import org.pgoffload.dev.servers.Processes;
import org.pgoffload.dev.servers.ServerHome;

/// What a [KafkaBroker] is started with. Immutable; the `with` methods return a copy.
///
/// @param home where the broker's records, its log and the lock are
/// @param port for clients on 127.0.0.1, or 0 for a free one
/// @param controllerPort on which the broker talks to its own controller, or 0 for a free one
/// @param settings of the broker, which win over the module's own
/// @param place in its cluster
public record BrokerOptions(
    ServerHome home, int port, int controllerPort, Map<String, String> settings, Place place) {

  /// A broker's place in its cluster.
  ///
  /// @param nodeId of the broker
  /// @param clusterId that its storage gets when it is new
  /// @param controllerPorts of all brokers of the cluster, by node id, or none if it is alone
  record Place(int nodeId, String clusterId, Map<Integer, Integer> controllerPorts) {
    Place {
      controllerPorts = Map.copyOf(controllerPorts);
    }

    static Place alone() {
      return new Place(1, Uuid.randomUuid().toString(), Map.of());
    }

    boolean isAlone() {
      return controllerPorts.isEmpty();
    }
  }

  /// The largest batch of records that topics accept unless they say otherwise, 32 MiB: above the
  /// largest prompt or chunk of rows that pgoffload publishes.
  static final int MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

  public BrokerOptions {
    settings = Map.copyOf(settings);
    for (var any : new int[] {port, controllerPort}) {
      if (any < 0 || any > 65_535) {
        throw new IllegalArgumentException("A port has to be 0 (any free one) to 65535: " + any);
      }
    }
    if (port != 0 && port == controllerPort) {
      throw new IllegalArgumentException("The broker and its controller need a port each: " + port);
    }
  }

  /// A broker in a directory that outlives it, on any free ports.
  public static BrokerOptions kept(Path directory) {
    return of(ServerHome.kept(directory));
  }

  /// A broker in a new directory that is removed on close, on any free ports.
  public static BrokerOptions temporary() {
    return of(ServerHome.temporary("pgoffload-kafka-"));
  }

  private static BrokerOptions of(ServerHome home) {
    return new BrokerOptions(home, 0, 0, Map.of(), Place.alone());
  }

  /// A copy with other ports, 0 for free ones.
  public BrokerOptions withPorts(int port, int controllerPort) {
    return new BrokerOptions(home, port, controllerPort, settings, place);
  }

  /// A copy with these settings instead.
  public BrokerOptions withSettings(Map<String, String> settings) {
    return new BrokerOptions(home, port, controllerPort, settings, place);
  }

  /// A copy at another place.
  BrokerOptions withPlace(Place place) {
    return new BrokerOptions(home, port, controllerPort, settings, place);
  }

  /// A copy that is or is not ended by a shutdown hook.
  public BrokerOptions withEndWithJvm(boolean endWithJvm) {
    return new BrokerOptions(
        home.withEndWithJvm(endWithJvm), port, controllerPort, settings, place);
  }

  /// A copy with a free port wherever it said 0.
  BrokerOptions withFreePorts() {
    var first = port == 0 ? Processes.freePort() : port;
    var second = controllerPort;
    while (second == 0 || second == first) {
      second = Processes.freePort();
    }
    return withPorts(first, second);
  }

  /// Refuses ports that are in use: Kafka tries for long, and its log may end without the reason.
  void requireFreePorts() {
    for (var chosen : new int[] {port, controllerPort}) {
      if (chosen != 0) {
        Processes.requireFree(chosen);
      }
    }
  }

  /// Where the broker lives.
  public Path directory() {
    return home.directory();
  }

  Path logFile() {
    return directory().resolve("broker.log");
  }

  Path recordsDirectory() {
    return directory().resolve("records");
  }
}
