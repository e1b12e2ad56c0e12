package org.pgoffload.producer;

import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.pgoffload.connectors.CaptureConfiguration;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.platform.PinnedSettings;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;

/// The configuration of the producer.
///
/// @param database a login with REPLICATION, whose name has no apostrophe
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
    capture(database, slot, topics);
  }

  /// What Debezium is told, here or in a Connect cluster.
  public CaptureConfiguration capture() {
    return capture(database, slot, topics);
  }

  private static CaptureConfiguration capture(
      DatabaseAddress database, String slot, TopicNames topics) {
    var properties = database.partProperties("capture", Duration.ZERO);
    // Debezium gives its sessions names by what they are for
    properties.remove("ApplicationName");
    properties.remove("user");
    var password = (String) properties.remove("password");
    var driver = new TreeMap<String, String>();
    properties
        .stringPropertyNames()
        .forEach(name -> driver.put(name, properties.getProperty(name)));
    return new CaptureConfiguration(
        database.servers().stream().map(DatabaseServer::host).toList(),
        database.servers().stream().map(DatabaseServer::port).toList(),
        database.database(),
        new CaptureConfiguration.Login(
            database.user(), password == null ? null : Secret.of(password)),
        new CaptureConfiguration.Session(driver, PinnedSettings.FIRST_STATEMENT),
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
