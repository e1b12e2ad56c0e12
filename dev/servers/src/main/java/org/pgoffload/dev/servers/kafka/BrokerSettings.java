package org.pgoffload.dev.servers.kafka;

import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.Collectors;

/// The settings of a small broker, alone or one of a few in its cluster. A pure function.
final class BrokerSettings {

  /// Kafka knows no such setting: it is read when new storage is formatted.
  static final String CLUSTER_ID = "pgoffload.cluster.id";

  static final String CONTROLLER_LISTENER = "CONTROLLER";

  private static final int MAX_MESSAGE_BYTES = BrokerOptions.MAX_MESSAGE_BYTES;

  private static final String FIXED =
      """
      # One process is both: the fewest processes, and the least memory.
      process.roles=broker,controller
      # Topics are made by the installer with all their settings; a typing error makes none.
      auto.create.topics.enable=false

      # The defaults of 50 spread load over brokers; here each only costs files and start-up time.
      offsets.topic.num.partitions=4
      transaction.state.log.num.partitions=4
      share.coordinator.state.topic.num.partitions=1

      # A partition whose leader is unknown is asked for again sooner.
      controller.quorum.retry.backoff.ms=20

      # Waits for further members of a new group; tests and a single launcher only lose the time.
      group.initial.rebalance.delay.ms=0
      # The parts choose the time after which the partitions of a killed one move: let it be short.
      group.min.session.timeout.ms=3000

      # The cleaner's table, 8 MB, is allocated at once: 128 MB by default, half of the heap.
      log.cleaner.dedupe.buffer.size=8388608
      # Defaults for a server's many cores and disks; each is a thread with its stack.
      num.io.threads=4
      num.network.threads=2
      background.threads=2
      """;

  private static final String ALONE =
      """
      # There is one broker to replicate to: the defaults of 3 would never be satisfied.
      default.replication.factor=1
      min.insync.replicas=1
      offsets.topic.replication.factor=1
      transaction.state.log.replication.factor=1
      transaction.state.log.min.isr=1
      share.coordinator.state.topic.replication.factor=1
      share.coordinator.state.topic.min.isr=1

      # After a kill the controller waits until the broker's old session is over before it lets it
      # in again: 9 s by default. Three missed heartbeats are still allowed for.
      broker.session.timeout.ms=2000
      broker.heartbeat.interval.ms=500
      # The only voter elects itself: no other candidate has to be given time.
      controller.quorum.election.timeout.ms=500
      controller.quorum.election.backoff.max.ms=250
      """;

  private static final String ONE_OF_THREE =
      """
      # One of three may be away, and nothing that was acknowledged is on it alone.
      default.replication.factor=3
      min.insync.replicas=2
      offsets.topic.replication.factor=3
      transaction.state.log.replication.factor=3
      transaction.state.log.min.isr=2
      share.coordinator.state.topic.replication.factor=3
      share.coordinator.state.topic.min.isr=2

      # As long as a killed broker leads its partitions still: 9 s by default. Three brokers on a
      # busy machine need more than the one that is alone.
      broker.session.timeout.ms=3000
      broker.heartbeat.interval.ms=500
      # A follower that is away holds up acknowledgements for so long: 30 s by default.
      replica.lag.time.max.ms=5000
      """;

  private BrokerSettings() {}

  /// Needs options whose ports are chosen.
  static Properties of(BrokerOptions options) {
    var settings = new Properties();
    try {
      settings.load(new StringReader(FIXED));
      settings.load(new StringReader(options.place().isAlone() ? ALONE : ONE_OF_THREE));
    } catch (IOException impossible) {
      throw new UncheckedIOException(impossible);
    }
    addresses(settings, options);
    sizes(settings);
    options.settings().forEach(settings::setProperty);
    return settings;
  }

  private static void addresses(Properties settings, BrokerOptions options) {
    settings.setProperty("node.id", String.valueOf(options.place().nodeId()));
    settings.setProperty(CLUSTER_ID, options.place().clusterId());
    var broker = "BROKER://127.0.0.1:" + options.port();
    var controller = CONTROLLER_LISTENER + "://127.0.0.1:" + options.controllerPort();
    // Neither listener asks who connects, so neither may be reached from elsewhere.
    settings.setProperty("listeners", broker + "," + controller);
    settings.setProperty("advertised.listeners", broker);
    settings.setProperty(
        "listener.security.protocol.map", "BROKER:PLAINTEXT," + CONTROLLER_LISTENER + ":PLAINTEXT");
    settings.setProperty("inter.broker.listener.name", "BROKER");
    settings.setProperty("controller.listener.names", CONTROLLER_LISTENER);
    // A fixed voter is read from here, not from the records: the port may differ at every start.
    settings.setProperty("controller.quorum.voters", voters(options));
    settings.setProperty("log.dirs", options.recordsDirectory().toString());
  }

  private static String voters(BrokerOptions options) {
    var place = options.place();
    var ports =
        place.isAlone()
            ? Map.of(place.nodeId(), options.controllerPort())
            : new TreeMap<>(place.controllerPorts());
    return ports.entrySet().stream()
        .map(voter -> voter.getKey() + "@127.0.0.1:" + voter.getValue())
        .collect(Collectors.joining(","));
  }

  private static void sizes(Properties settings) {
    settings.setProperty("message.max.bytes", String.valueOf(MAX_MESSAGE_BYTES));
    // A follower, also one that is added later, must be able to fetch it.
    settings.setProperty("replica.fetch.max.bytes", String.valueOf(MAX_MESSAGE_BYTES));
    // The largest batch with what surrounds it in a request; more cannot be meant for this broker.
    settings.setProperty(
        "socket.request.max.bytes", String.valueOf(MAX_MESSAGE_BYTES + 1024 * 1024));
    // Requests wait in memory: two large ones, not 500, or they would fill a heap of 256 MB.
    settings.setProperty("queued.max.request.bytes", String.valueOf(2L * MAX_MESSAGE_BYTES));
  }
}
