package org.pgoffload.dev.servers;

import java.nio.file.Path;
import java.util.Map;

/// What a [KafkaBroker] is started with. Immutable; the `with` methods return a copy.
///
/// @param directory where the broker lives: its records, its log and the lock; made if missing
/// @param keepData whether [KafkaBroker#close()] leaves the directory in place
/// @param port for clients on 127.0.0.1, or 0 for a free one
/// @param controllerPort on which the broker talks to its own controller, or 0 for a free one
/// @param maxMessageBytes the largest batch of records that topics accept unless they say otherwise
/// @param settings of the broker, which win over the module's own
/// @param endWithJvm whether a shutdown hook ends the broker, without an order among the hooks;
///   false for a caller that closes everything in its own order at exit
public record BrokerOptions(
    Path directory,
    boolean keepData,
    int port,
    int controllerPort,
    int maxMessageBytes,
    Map<String, String> settings,
    boolean endWithJvm) {

  /// 32 MiB: above the largest prompt or chunk of rows that pgoffload publishes.
  public static final int DEFAULT_MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

  public BrokerOptions {
    directory = directory.toAbsolutePath().normalize();
    settings = Map.copyOf(settings);
    for (var any : new int[] {port, controllerPort}) {
      if (any < 0 || any > 65_535) {
        throw new IllegalArgumentException("A port has to be 0 (any free one) to 65535: " + any);
      }
    }
    if (port != 0 && port == controllerPort) {
      throw new IllegalArgumentException("The broker and its controller need a port each: " + port);
    }
    if (maxMessageBytes < 1024) {
      throw new IllegalArgumentException(
          "No message fits into a limit of " + maxMessageBytes + " bytes");
    }
  }

  /// A broker in a directory that outlives it, on any free ports.
  public static BrokerOptions kept(Path directory) {
    return new BrokerOptions(directory, true, 0, 0, DEFAULT_MAX_MESSAGE_BYTES, Map.of(), true);
  }

  /// A broker in a new directory that is removed on close, on any free ports.
  public static BrokerOptions temporary() {
    return kept(Directories.temporary("pgoffload-kafka-")).withKeepData(false);
  }

  /// A copy that keeps or removes its data on close.
  public BrokerOptions withKeepData(boolean keepData) {
    return new BrokerOptions(
        directory, keepData, port, controllerPort, maxMessageBytes, settings, endWithJvm);
  }

  /// A copy with other ports, 0 for free ones.
  public BrokerOptions withPorts(int port, int controllerPort) {
    return new BrokerOptions(
        directory, keepData, port, controllerPort, maxMessageBytes, settings, endWithJvm);
  }

  /// A copy with another limit for batches of records.
  public BrokerOptions withMaxMessageBytes(int maxMessageBytes) {
    return new BrokerOptions(
        directory, keepData, port, controllerPort, maxMessageBytes, settings, endWithJvm);
  }

  /// A copy with these settings instead.
  public BrokerOptions withSettings(Map<String, String> settings) {
    return new BrokerOptions(
        directory, keepData, port, controllerPort, maxMessageBytes, settings, endWithJvm);
  }

  /// A copy that is or is not ended by a shutdown hook.
  public BrokerOptions withEndWithJvm(boolean endWithJvm) {
    return new BrokerOptions(
        directory, keepData, port, controllerPort, maxMessageBytes, settings, endWithJvm);
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

  Path logFile() {
    return directory.resolve("broker.log");
  }

  Path recordsDirectory() {
    return directory.resolve("records");
  }
}
