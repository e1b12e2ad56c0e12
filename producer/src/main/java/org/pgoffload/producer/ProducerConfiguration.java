package org.pgoffload.producer;

import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.pgoffload.connectors.CaptureConfiguration;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.platform.PinnedSettings;
import org.pgoffload.platform.primary.FollowPrimary;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;

/// The configuration of the producer.
///
/// @param database a login with REPLICATION, whose name has no apostrophe
/// @param slot the replication slot that the installer has made
/// @param topics the topics' names
/// @param kafka Kafka's client properties
/// @param pause of the capture, when it finds nothing to read: 1 ms to 1 s. A longer one costs less
///   processor time while nothing is asked, and requests wait for it
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
    if (!isPause(pause)) {
      throw new IllegalArgumentException("the capture's pause must be 1 ms to 1 s, not " + pause);
    }
    kafka = Map.copyOf(kafka);
    capture(database, slot, topics, pause);
  }

  /// Whether the capture can pause for so long.
  public static boolean isPause(Duration pause) {
    return pause.compareTo(Duration.ofMillis(1)) >= 0 && pause.compareTo(HEARTBEAT) <= 0;
  }

  /// What Debezium is told in a Connect cluster.
  public CaptureConfiguration capture() {
    return capture(database, slot, topics, pause);
  }

  /// What Debezium is told here: one server, and each of its sessions is refused unless it is with
  /// the recorded primary.
  CaptureConfiguration capture(FollowPrimary.Found primary) {
    return capture(
        database.at(primary.server()),
        slot,
        topics,
        pause,
        PinnedSettings.FIRST_STATEMENT
            + "; select pgoffload.require_primary("
            + primary.identity().timeline()
            + ", '"
            + primary.identity().token()
            + "')");
  }

  private static CaptureConfiguration capture(
      DatabaseAddress database, String slot, TopicNames topics, Duration pause) {
    return capture(database, slot, topics, pause, PinnedSettings.FIRST_STATEMENT);
  }

  private static CaptureConfiguration capture(
      DatabaseAddress database,
      String slot,
      TopicNames topics,
      Duration pause,
      String firstStatement) {
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
        new CaptureConfiguration.Session(driver, firstStatement),
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
