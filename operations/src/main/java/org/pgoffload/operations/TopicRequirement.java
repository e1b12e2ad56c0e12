package org.pgoffload.operations;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.config.TopicConfig;
import org.pgoffload.protocol.TopicNames;

/// The required value of a topic's setting, because a guarantee rests on it. Brokers have defaults
/// of their own, and a topic may have been made by other means.
///
/// @param name the setting's name
/// @param value in Kafka's words
/// @param rule how the value is meant
public record TopicRequirement(String name, String value, Rule rule) {
  /// How much longer a record is kept at most: a topic deletes whole segments.
  private static final Duration SEGMENT = TopicNames.KEPT_LONGER;

  private static final Duration COMMANDS_KEPT = Duration.ofDays(1);
  private static final Duration CONTROL_SEGMENT = Duration.ofMinutes(10);
  private static final String FOREVER = "-1";

  /// How a value is meant.
  public enum Rule {
    /// This value and no other.
    EXACTLY,
    /// This number or a larger one.
    AT_LEAST
  }

  /// Whether a topic's value will do.
  ///
  /// @param found the topic's value, its broker's defaults included
  /// @param replicas of the topic's partitions
  boolean isMet(String found, int replicas) {
    return switch (rule) {
      case EXACTLY -> value.equals(found);
      // with more in-sync replicas than there are, nothing could be written
      case AT_LEAST ->
          Long.parseLong(found) >= Long.parseLong(value)
              && (!isOfReplicas() || Long.parseLong(found) <= replicas);
    };
  }

  private boolean isOfReplicas() {
    return name.equals(TopicConfig.MIN_IN_SYNC_REPLICAS_CONFIG);
  }

  /// The settings that a new topic gets.
  ///
  /// @param topic one of the names
  /// @param settings the database's
  /// @param replicas of its partitions; -1 if the broker decides
  static List<TopicRequirement> ofNew(
      TopicNames topics, String topic, TopicSettings settings, int replicas) {
    var all = new ArrayList<>(ofAny(topics, topic, settings));
    if (replicas > 1) {
      all.add(inSync(replicas));
    }
    return List.copyOf(all);
  }

  /// What one broker alone has acknowledged is lost with it; of two replicas one may be away.
  private static TopicRequirement inSync(int replicas) {
    return atLeast(TopicConfig.MIN_IN_SYNC_REPLICAS_CONFIG, Math.max(1, Math.min(2, replicas - 1)));
  }

  private static List<TopicRequirement> ofAny(
      TopicNames topics, String topic, TopicSettings settings) {
    var all = new ArrayList<TopicRequirement>();
    // a compacted topic loses the earlier records of an ordering key, a session or a request, and
    // takes none without a key
    all.add(
        exactly(
            TopicConfig.CLEANUP_POLICY_CONFIG,
            topic.equals(topics.usage()) || topic.equals(topics.control())
                ? TopicConfig.CLEANUP_POLICY_COMPACT
                : TopicConfig.CLEANUP_POLICY_DELETE));
    if (topic.equals(topics.heartbeats())) {
      // Connect's own, and nothing rests on its records
      return List.copyOf(all);
    }
    // the brokers' clock says how old a record is: one of a machine whose clock is behind would be
    // deleted at once, one of a machine whose clock is ahead refused
    all.add(exactly(TopicConfig.MESSAGE_TIMESTAMP_TYPE_CONFIG, "LogAppendTime"));
    // time decides, whatever the size
    all.add(exactly(TopicConfig.RETENTION_BYTES_CONFIG, FOREVER));
    all.add(
        exactly(
            TopicConfig.MAX_MESSAGE_BYTES_CONFIG,
            Integer.toString(InstallTopics.maxMessageBytes(settings.maxRequestBytes()))));
    if (topics.requests().contains(topic)) {
      // what is not yet answered is kept, whatever the retention; TrimRequestTopics removes the
      // rest
      all.add(exactly(TopicConfig.RETENTION_MS_CONFIG, FOREVER));
    } else if (topic.equals(topics.usage())) {
      // a reader that is slower would take a total of an aborted transaction for one that counts
      all.add(atLeast(TopicConfig.DELETE_RETENTION_MS_CONFIG, Duration.ofDays(1).toMillis()));
    } else if (topic.equals(topics.control())) {
      // a part reads it from its beginning when it starts: what is written each second is compacted
      // once its segment is closed
      all.add(exactly(TopicConfig.SEGMENT_MS_CONFIG, millis(CONTROL_SEGMENT)));
    } else if (topic.equals(topics.commands())) {
      all.add(exactly(TopicConfig.RETENTION_MS_CONFIG, millis(COMMANDS_KEPT)));
    } else {
      all.add(exactly(TopicConfig.RETENTION_MS_CONFIG, millis(settings.retention())));
      // Kafka's default of seven days would double the time on a quiet topic
      all.add(
          exactly(
              TopicConfig.SEGMENT_MS_CONFIG,
              Long.toString(Math.min(SEGMENT.toMillis(), settings.retention().toMillis()))));
    }
    return List.copyOf(all);
  }

  /// The settings that a topic must have, with those that follow from its replicas, and those that
  /// are only set where the broker's default will not do.
  ///
  /// @param replicas of the topic's partitions
  static List<TopicRequirement> of(
      TopicNames topics, String topic, TopicSettings settings, int replicas) {
    var all = new ArrayList<>(ofAny(topics, topic, settings));
    if (!topic.equals(topics.heartbeats())) {
      all.add(inSync(replicas));
      // a replica that was not in sync has not all that was acknowledged
      all.add(exactly(TopicConfig.UNCLEAN_LEADER_ELECTION_ENABLE_CONFIG, "false"));
      // a batch that no segment takes is refused
      all.add(
          atLeast(
              TopicConfig.SEGMENT_BYTES_CONFIG,
              InstallTopics.maxMessageBytes(settings.maxRequestBytes())));
    }
    return List.copyOf(all);
  }

  private static TopicRequirement exactly(String name, String value) {
    return new TopicRequirement(name, value, Rule.EXACTLY);
  }

  private static TopicRequirement atLeast(String name, long value) {
    return new TopicRequirement(name, Long.toString(value), Rule.AT_LEAST);
  }

  private static String millis(Duration time) {
    return Long.toString(time.toMillis());
  }
}
