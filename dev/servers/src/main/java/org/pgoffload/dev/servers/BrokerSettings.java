package org.pgoffload.dev.servers;

import java.util.Properties;

/// The settings of a broker that is alone in its cluster, and small. A pure function.
final class BrokerSettings {

  static final int NODE_ID = 1;
  static final String CONTROLLER_LISTENER = "CONTROLLER";

  private BrokerSettings() {}

  /// Needs options whose ports are chosen.
  static Properties of(BrokerOptions options) {
    var settings = new Properties();
    identity(settings, options);
    aloneInItsCluster(settings);
    restart(settings);
    groups(settings);
    sizes(settings, options.maxMessageBytes());
    options.settings().forEach(settings::setProperty);
    return settings;
  }

  private static void identity(Properties settings, BrokerOptions options) {
    // One process is both: there is no cluster to coordinate with.
    settings.setProperty("process.roles", "broker,controller");
    settings.setProperty("node.id", String.valueOf(NODE_ID));
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
    settings.setProperty(
        "controller.quorum.voters", NODE_ID + "@127.0.0.1:" + options.controllerPort());
    settings.setProperty("log.dirs", options.recordsDirectory().toString());
    // Topics are made by the installer with all their settings; a typing error makes none.
    settings.setProperty("auto.create.topics.enable", "false");
  }

  private static void aloneInItsCluster(Properties settings) {
    // There is one broker to replicate to: the defaults of 3 would never be satisfied.
    settings.setProperty("default.replication.factor", "1");
    settings.setProperty("min.insync.replicas", "1");
    settings.setProperty("offsets.topic.replication.factor", "1");
    settings.setProperty("transaction.state.log.replication.factor", "1");
    settings.setProperty("transaction.state.log.min.isr", "1");
    settings.setProperty("share.coordinator.state.topic.replication.factor", "1");
    settings.setProperty("share.coordinator.state.topic.min.isr", "1");
    // The defaults of 50 spread load over brokers; here each only costs files and start-up time.
    settings.setProperty("offsets.topic.num.partitions", "4");
    settings.setProperty("transaction.state.log.num.partitions", "4");
    settings.setProperty("share.coordinator.state.topic.num.partitions", "1");
  }

  private static void restart(Properties settings) {
    // After a kill the controller waits until the broker's old session is over before it lets it in
    // again: 9 s by default. Three missed heartbeats are still allowed for.
    settings.setProperty("broker.session.timeout.ms", "2000");
    settings.setProperty("broker.heartbeat.interval.ms", "500");
    // The only voter elects itself: no other candidate has to be given time.
    settings.setProperty("controller.quorum.election.timeout.ms", "500");
    settings.setProperty("controller.quorum.election.backoff.max.ms", "250");
    // A partition whose leader is unknown is asked for again sooner.
    settings.setProperty("controller.quorum.retry.backoff.ms", "20");
  }

  private static void groups(Properties settings) {
    // Waits for further members of a new group; tests and a single launcher only lose the time.
    settings.setProperty("group.initial.rebalance.delay.ms", "0");
    // The new protocol: a dead worker's partitions move after 3 s instead of 45 s.
    settings.setProperty("group.consumer.min.session.timeout.ms", "3000");
    settings.setProperty("group.consumer.session.timeout.ms", "3000");
    settings.setProperty("group.consumer.min.heartbeat.interval.ms", "500");
    settings.setProperty("group.consumer.heartbeat.interval.ms", "1000");
    // The classic protocol, which Kafka Streams speaks, chooses its own timeout: let it be as
    // short.
    settings.setProperty("group.min.session.timeout.ms", "3000");
  }

  private static void sizes(Properties settings, int maxMessageBytes) {
    settings.setProperty("message.max.bytes", String.valueOf(maxMessageBytes));
    // Nothing is replicated, but a follower that is added later must be able to fetch it.
    settings.setProperty("replica.fetch.max.bytes", String.valueOf(maxMessageBytes));
    // The largest batch with what surrounds it in a request; more cannot be meant for this broker.
    settings.setProperty("socket.request.max.bytes", String.valueOf(maxMessageBytes + 1024 * 1024));
    // Requests wait in memory: two large ones, not 500, or they would fill a heap of 256 MB.
    settings.setProperty("queued.max.request.bytes", String.valueOf(2L * maxMessageBytes));
    // The cleaner's table is allocated at once: 128 MB by default, half of the heap.
    settings.setProperty("log.cleaner.dedupe.buffer.size", String.valueOf(8 * 1024 * 1024));
    // Defaults for a server's many cores and disks; each is a thread with its stack.
    settings.setProperty("num.io.threads", "4");
    settings.setProperty("num.network.threads", "2");
    settings.setProperty("background.threads", "2");
  }
}
