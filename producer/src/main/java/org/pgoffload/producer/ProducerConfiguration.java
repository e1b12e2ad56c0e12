package org.pgoffload.producer;

import java.util.Map;
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
  public ProducerConfiguration {
    if (slot.isBlank()) {
      throw new IllegalArgumentException("the slot's name must not be blank");
    }
    kafka = Map.copyOf(kafka);
  }

  /// Names the places, without passwords.
  @Override
  public String toString() {
    return "ProducerConfiguration[" + database + ", slot=" + slot + ", " + topics + "]";
  }
}
