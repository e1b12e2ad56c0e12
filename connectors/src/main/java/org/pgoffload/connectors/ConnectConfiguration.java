package org.pgoffload.connectors;

import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;

/// The configuration of [RequestConnector] in a Connect cluster, where Connect does what the
/// producer does otherwise: it sends, stores positions and starts again.
///
/// @param capture what is captured; its password is not used
/// @param passwordReference how the workers find the password, such as
///   `${file:/run/secrets/pgoffload.properties:password}`; the configuration is stored in a topic
/// @param maxRequestBytes the database's setting max_request_bytes
/// @param maxMessageBytes what the topics take at most
/// @param partitions of topics that are missing
/// @param transactions whether the cluster must have exactly-once support, and so publish in
///   transactions; where it has, it does in any case
public record ConnectConfiguration(
    CaptureConfiguration capture,
    String passwordReference,
    int maxRequestBytes,
    int maxMessageBytes,
    int partitions,
    boolean transactions) {
  /// How often a transaction is committed, where the cluster has exactly-once support. Workers read
  /// uncommitted records too, so that no request waits for a commit.
  private static final Duration TRANSACTION = Duration.ofMillis(200);

  private static final Duration RESTART = Duration.ofSeconds(1);
  private static final Duration HEARTBEATS_KEPT = Duration.ofHours(1);

  public ConnectConfiguration {
    if ((capture.database() + capture.login().user()).contains("${")) {
      throw new IllegalArgumentException(
          "Connect would take the ${ in the name of the database or its login for a reference: capture"
              + " with pgoffload producer");
    }
  }

  /// The connector's properties; the password is a reference.
  public Map<String, String> properties() {
    var topics = capture.topics();
    var p = new TreeMap<>(capture.properties());
    p.put("connector.class", RequestConnector.class.getName());
    p.put("database.password", passwordReference);

    // The task looks at the slot before each start, so that a retry cannot make a new one.
    p.put("errors.max.retries", "-1");
    p.put("retriable.restart.connector.wait.ms", Long.toString(RESTART.toMillis()));

    // Debezium cannot make a slot while the task's guard is there, and need not try for 90 s.
    p.put("internal.create.slot.command.timeout", "2");

    // The signed bytes travel unchanged.
    p.put("key.converter", "org.apache.kafka.connect.storage.StringConverter");
    p.put("value.converter", "org.apache.kafka.connect.converters.ByteArrayConverter");
    p.put("header.converter", "org.apache.kafka.connect.storage.StringConverter");

    // Any role can emit a message: one that no topic takes would fail the task again and again.
    p.put(
        "transforms.request." + RequestTransform.MAX_REQUEST_BYTES_CONFIG,
        Integer.toString(maxRequestBytes));

    // as the producer's own (ProducerApp); acks=all and one request in flight are Connect's
    // defaults
    p.put("producer.override.max.request.size", Integer.toString(32 << 20));
    p.put("producer.override.buffer.memory", Integer.toString(64 << 20));
    p.put("producer.override.compression.type", "lz4");
    p.put("producer.override.linger.ms", "0");
    p.put("producer.override.enable.idempotence", "true");

    // A transaction for each record would cost most of the throughput.
    p.put("transaction.boundary", "interval");
    p.put("transaction.boundary.interval.ms", Long.toString(TRANSACTION.toMillis()));
    if (transactions) {
      p.put("exactly.once.support", "required");
    }

    // The installer makes the topics. Connect makes a missing topic as the installer would make a
    // topic of requests, whose records must not be removed; `install` notices that the topic is
    // new.
    p.put("topic.creation.default.partitions", Integer.toString(partitions));
    p.put("topic.creation.default.replication.factor", "-1");
    p.put("topic.creation.default.cleanup.policy", "delete");
    p.put("topic.creation.default.message.timestamp.type", "LogAppendTime");
    p.put("topic.creation.default.retention.ms", "-1");
    p.put("topic.creation.default.retention.bytes", "-1");
    p.put("topic.creation.default.max.message.bytes", Integer.toString(maxMessageBytes));
    // Connect stores a position only with a record that it has sent: on a quiet queue the
    // heartbeats.
    p.put("topic.creation.groups", "heartbeats");
    p.put("topic.creation.heartbeats.include", topics.heartbeats().replace(".", "\\."));
    p.put("topic.creation.heartbeats.partitions", "1");
    p.put("topic.creation.heartbeats.replication.factor", "-1");
    // a compacted topic takes no record without a key
    p.put("topic.creation.heartbeats.cleanup.policy", "delete");
    p.put("topic.creation.heartbeats.retention.ms", Long.toString(HEARTBEATS_KEPT.toMillis()));
    p.put("topic.creation.heartbeats.segment.ms", Long.toString(HEARTBEATS_KEPT.toMillis()));
    return p;
  }
}
