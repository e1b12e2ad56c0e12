package org.pgoffload.operations;

import java.time.Duration;
import java.util.Map;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.TopicNames;

/// The configuration of an installation's maintenance.
///
/// @param database the owner's login
/// @param topics the topics' names
/// @param kafka Kafka's client properties
/// @param interval the pause between two rounds
public record MaintenanceConfiguration(
    DatabaseAddress database, TopicNames topics, Map<String, Object> kafka, Duration interval) {
  /// The rest when none is configured: a range of ids lasts a day.
  public static final Duration DEFAULT_INTERVAL = Duration.ofMinutes(10);

  public MaintenanceConfiguration {
    kafka = Map.copyOf(kafka);
    if (interval.isNegative() || interval.isZero()) {
      throw new IllegalArgumentException("the interval must be longer than zero, not " + interval);
    }
  }

  /// Says where, without any secret.
  @Override
  public String toString() {
    return "MaintenanceConfiguration[" + database + ", every " + interval + "]";
  }
}
