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
/// @param pause of the capture, when it finds nothing to read: 1 ms to 1 s. A longer one costs less
///   processor time, and a request waits for half of it on the average
public record ProducerConfiguration(
    DatabaseAddress database,
    String slot,
    TopicNames topics,
    Map<String, Object> kafka,
    Duration pause) {
  public static final Duration DEFAULT_PAUSE = Duration.ofMillis(1);
  private static final Duration HEARTBEAT = Duration.ofSeconds(1);

  public ProducerConfiguration {
    if (slot.isBlank()) {
      throw new IllegalArgumentException("the slot's name must not be blank");
    }
    if (pause.toMillis() < 1 || pause.compareTo(HEARTBEAT) > 0) {
      throw new IllegalArgumentException(
          "the pause of the capture (PGOFFLOAD_CAPTURE_PAUSE) must be 1 ms to 1 s, not "
              + pause.toMillis()
              + " ms");
    }
    kafka = Map.copyOf(kafka);
    capture(database, slot, topics, pause);
  }

  /// What Debezium is told, here or in a Connect cluster.
  public CaptureConfiguration capture() {
    return capture(database, slot, topics, pause);
  }

  private static CaptureConfiguration capture(
      DatabaseAddress database, String slot, TopicNames topics, Duration pause) {
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
        new CaptureConfiguration.Pace(pause, HEARTBEAT));
  }

  /// Names the places, without passwords.
  @Override
  public String toString() {
    return "ProducerConfiguration[" + database + ", slot=" + slot + ", " + topics + "]";
  }
}
