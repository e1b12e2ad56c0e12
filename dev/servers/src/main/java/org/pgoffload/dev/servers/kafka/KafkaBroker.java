package org.pgoffload.dev.servers.kafka;

/// A real Kafka broker, alone in its cluster or one of a [KafkaCluster], that listens in plain text
/// on 127.0.0.1 only. One broker at a time runs on a directory; started again on it, it has its
/// topics and records. Thread-safe.
public sealed interface KafkaBroker extends AutoCloseable permits BrokerProcess, BrokerInJvm {

  /// Options that start the same broker again, with its present ports.
  BrokerOptions options();

  /// Where clients connect: `bootstrap.servers`.
  default String bootstrapServers() {
    return "127.0.0.1:" + options().port();
  }

  /// Whether the broker runs.
  boolean isRunning();

  /// Ends the broker within five seconds, and removes its directory unless the data are kept.
  /// Idempotent.
  @Override
  void close();
}
