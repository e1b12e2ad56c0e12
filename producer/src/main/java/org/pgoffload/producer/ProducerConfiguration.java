package org.pgoffload.producer;

import java.time.Duration;
import java.util.Map;
import org.pgoffload.connectors.CaptureConfiguration;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.DatabaseAddress;

/// What the producer needs to run.
///
/// @param database a login with REPLICATION
/// @param slot the replication slot that the installer has made
/// @param topics the topics' names
/// @param kafka Kafka's client properties
public record ProducerConfiguration(
    DatabaseAddress database, String slot, TopicNames topics, Map<String, Object> kafka) {
  private static final Duration HEARTBEAT = Duration.ofSeconds(1);

  public ProducerConfiguration {
    if (slot.isBlank()) {
      throw new IllegalArgumentException("the slot's name must not be blank");
    }
    kafka = Map.copyOf(kafka);
  }

  /// What Debezium is told, here or in a Connect cluster.
  public CaptureConfiguration capture() {
    return new CaptureConfiguration(
        database.host(),
        database.port(),
        database.database(),
        database.user(),
        database.password(),
        database.parameters(),
        slot,
        topics,
        HEARTBEAT);
  }

  /// Names the places, without passwords.
  @Override
  public String toString() {
    return "ProducerConfiguration[" + database + ", slot=" + slot + ", " + topics + "]";
  }
}
