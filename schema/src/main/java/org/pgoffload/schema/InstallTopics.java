package org.pgoffload.schema;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.pgoffload.protocol.TopicNames;

/// Creates the topics with all their settings, and sets those of topics that are there. Idempotent.
public final class InstallTopics {
  /// How many partitions a topic gets when none are configured.
  public static final int DEFAULT_PARTITIONS = 6;

  /// How much longer a record is kept at most: a topic deletes whole segments.
  public static final Duration KEPT_LONGER = Duration.ofDays(1);

  /// Room for headers and batch overhead above the largest request.
  private static final int MESSAGE_OVERHEAD_BYTES = 1 << 20;

  private static final int MOST_TRIES = 50;
  private static final Duration BETWEEN_TRIES = Duration.ofMillis(100);

  private InstallTopics() {}

  /// What changed.
  ///
  /// @param lines one for each thing; empty when nothing did
  /// @param requests the topics of requests with their ids: others than before, and what was on
  ///   them is gone, whoever has made them anew
  public record Changes(List<String> lines, String requests) {
    public Changes {
      lines = List.copyOf(lines);
    }
  }

  /// Asks Kafka for something, before anything is made.
  ///
  /// @throws InstallException with the reason, if it does not answer or lets nobody in
  public static void requireAnswer(Map<String, Object> client) {
    try (var admin = Admin.create(client)) {
      TopicOffsets.get(admin.listTopics().names());
    } catch (ExecutionException e) {
      throw refused(e);
    } catch (TimeoutException e) {
      throw silent(client, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InstallException("interrupted while Kafka was asked", e);
    }
  }

  private static InstallException refused(ExecutionException e) {
    return new InstallException(
        "the topics could not be created: "
            + KafkaFault.words(e.getCause() == null ? e : e.getCause()),
        e);
  }

  private static InstallException silent(Map<String, Object> client, TimeoutException e) {
    return new InstallException(
        "Kafka did not answer within 30 s at " + client.get("bootstrap.servers"), e);
  }

  /// Creates what is missing and sets what differs.
  ///
  /// @param client Kafka's client properties
  /// @param topics the names
  /// @param partitions of each topic that is created; an existing topic keeps its number
  /// @param replicationFactor of each topic that is created; -1 for the broker's default
  /// @param maxRequestBytes the database's setting max_request_bytes
  /// @param retention the database's setting retention: how long the topics of results, of pieces
  ///   and of dead letters keep a record
  /// @return what changed
  /// @throws InstallException with what to do
  public static Changes run(
      Map<String, Object> client,
      TopicNames topics,
      int partitions,
      short replicationFactor,
      int maxRequestBytes,
      Duration retention) {
    var changes = new ArrayList<String>();
    String requests;
    try (var admin = Admin.create(client)) {
      var existing = TopicOffsets.get(admin.listTopics().names());
      var missing = new ArrayList<NewTopic>();
      var present = new ArrayList<String>();
      for (var topic : topics.all()) {
        if (existing.contains(topic)) {
          present.add(topic);
        } else {
          missing.add(
              new NewTopic(topic, partitions, replicationFactor)
                  .configs(settings(topics, topic, maxRequestBytes, retention)));
          changes.add("created topic " + topic + " with " + partitions + " partitions");
        }
      }
      TopicOffsets.get(admin.createTopics(missing).all());
      for (var topic : present) {
        changes.addAll(
            setWhatDiffers(admin, topic, settings(topics, topic, maxRequestBytes, retention)));
      }
      requests = ids(admin, topics);
    } catch (ExecutionException e) {
      throw refused(e);
    } catch (TimeoutException e) {
      throw silent(client, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InstallException("interrupted while the topics were created", e);
    }
    return new Changes(changes, requests);
  }

  private static String ids(Admin admin, TopicNames topics)
      throws ExecutionException, InterruptedException, TimeoutException {
    var names = topics.requests();
    for (int tries = 1; ; tries++) {
      try {
        return TopicOffsets.get(admin.describeTopics(names).allTopicNames()).values().stream()
            .map(topic -> topic.name() + "=" + topic.topicId())
            .sorted()
            .collect(Collectors.joining(","));
      } catch (ExecutionException e) {
        // a broker learns of a new topic a moment after the controller has made it
        if (tries == MOST_TRIES || !(e.getCause() instanceof UnknownTopicOrPartitionException)) {
          throw e;
        }
        Thread.sleep(BETWEEN_TRIES);
      }
    }
  }

  private static List<String> setWhatDiffers(Admin admin, String topic, Map<String, String> wanted)
      throws ExecutionException, InterruptedException, TimeoutException {
    var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    var current = TopicOffsets.get(admin.describeConfigs(List.of(resource)).all()).get(resource);
    var changes = new ArrayList<String>();
    var operations = new ArrayList<AlterConfigOp>();
    wanted.forEach((name, value) -> {
      var entry = current == null ? null : current.get(name);
      if (entry == null || !value.equals(entry.value())) {
        operations.add(new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET));
        changes.add("set " + name + " of topic " + topic + " to " + value);
      }
    });
    if (!operations.isEmpty()) {
      TopicOffsets.get(admin.incrementalAlterConfigs(Map.of(resource, operations)).all());
    }
    return changes;
  }

  private static int maxMessageBytes(int maxRequestBytes) {
    return maxRequestBytes + MESSAGE_OVERHEAD_BYTES;
  }

  /// The largest request for which a topic was made that takes so many bytes.
  public static int maxRequestBytes(int maxMessageBytes) {
    return Math.max(1, maxMessageBytes - MESSAGE_OVERHEAD_BYTES);
  }

  /// What a record on the topics of requests may have at most, in bytes.
  ///
  /// @throws InstallException if the topics are not there, or Kafka does not say
  public static int maxMessageBytes(Map<String, Object> client, TopicNames topics) {
    var resource = new ConfigResource(ConfigResource.Type.TOPIC, topics.llmRequests());
    try (var admin = Admin.create(client)) {
      var config = TopicOffsets.get(admin.describeConfigs(List.of(resource)).all()).get(resource);
      var entry = config == null ? null : config.get(TopicConfig.MAX_MESSAGE_BYTES_CONFIG);
      if (entry == null) {
        throw new InstallException(
            "Kafka does not say what topic " + topics.llmRequests() + " takes", null);
      }
      return Integer.parseInt(entry.value());
    } catch (ExecutionException e) {
      var reason = e.getCause() == null ? e : e.getCause();
      throw new InstallException(
          "topic "
              + topics.llmRequests()
              + " cannot be described; pgoffload install makes it: "
              + reason.getMessage(),
          e);
    } catch (TimeoutException e) {
      throw new InstallException(
          "Kafka did not answer within 30 s at " + client.get("bootstrap.servers"), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InstallException("interrupted while the topics were described", e);
    }
  }

  private static Map<String, String> settings(
      TopicNames topics, String topic, int maxRequestBytes, Duration retention) {
    var settings = new HashMap<String, String>();
    settings.put(
        TopicConfig.MAX_MESSAGE_BYTES_CONFIG, Integer.toString(maxMessageBytes(maxRequestBytes)));
    if (topic.equals(topics.usage())) {
      settings.put(TopicConfig.CLEANUP_POLICY_CONFIG, TopicConfig.CLEANUP_POLICY_COMPACT);
    } else if (topic.equals(topics.sqlRequests())
        || topic.equals(topics.llmRequests())
        || topic.equals(topics.deferred())) {
      // what is not yet answered is kept, whatever the retention; TrimRequestTopics removes the
      // rest
      settings.put(TopicConfig.RETENTION_MS_CONFIG, "-1");
    } else if (topic.equals(topics.commands())) {
      settings.put(TopicConfig.RETENTION_MS_CONFIG, Long.toString(Duration.ofDays(1).toMillis()));
    } else {
      settings.put(TopicConfig.RETENTION_MS_CONFIG, Long.toString(retention.toMillis()));
      // Kafka's default of seven days would double the time on a quiet topic
      settings.put(
          TopicConfig.SEGMENT_MS_CONFIG,
          Long.toString(Math.min(KEPT_LONGER.toMillis(), retention.toMillis())));
    }
    return settings;
  }
}
