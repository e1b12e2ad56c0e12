package org.pgoffload.operations;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
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
import org.pgoffload.platform.TopicOffsets;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallException;

/// Creates the topics with all their settings, and sets those of topics that are there. Idempotent.
///
/// Longer than 300 lines because creating, comparing and setting a topic, and its replicas, share
/// the same description of it.
public final class InstallTopics {
  /// How many partitions a topic gets when none are configured.
  public static final int DEFAULT_PARTITIONS = 6;

  /// Room for headers and batch overhead above the largest request.
  private static final int MESSAGE_OVERHEAD_BYTES = 1 << 20;

  private static final String REFUSED = "the topics could not be created";

  private static final int MOST_TRIES = 50;
  private static final Duration BETWEEN_TRIES = Duration.ofMillis(100);

  private InstallTopics() {}

  /// The changes of the topics.
  ///
  /// @param lines one line for each change
  /// @param requests the topics of requests with their ids. A new id says that the topic was made
  ///   anew and that its records are gone.
  /// @param lostRequests whether a topic of requests had settings by which Kafka removes records
  ///   that no worker has read
  public record Changes(List<String> lines, String requests, boolean lostRequests) {
    public Changes {
      lines = List.copyOf(lines);
    }
  }

  /// Asks Kafka for a first answer, before anything is made.
  ///
  /// @throws InstallException with the reason, if Kafka does not answer or refuses the login
  public static void requireAnswer(Map<String, Object> client) {
    AskKafka.ask(client, REFUSED, admin -> TopicOffsets.get(admin.listTopics().names()));
  }

  /// Creates what is missing and sets what differs.
  ///
  /// @param client Kafka's client properties
  /// @param topics the names
  /// @param partitions of each topic that is created; an existing topic keeps its number
  /// @param replicationFactor of each topic that is created; -1 for 3 where there are three
  ///   brokers, and the broker's default elsewhere
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
    var settings = new TopicSettings(maxRequestBytes, retention, "");
    return AskKafka.ask(
        client,
        REFUSED,
        admin -> {
          var changes =
              new ArrayList<>(
                  createMissing(admin, topics, partitions, replicationFactor, settings));
          // a broker learns of a new topic a moment after the controller has made it
          var requests = onceKnown(admin, asked -> ids(asked, topics));
          var deviations = onceKnown(admin, asked -> TopicDeviation.find(asked, topics, settings));
          set(admin, topics, settings, deviations);
          for (var deviation : deviations) {
            changes.add(
                "set "
                    + deviation.requirement().name()
                    + " of topic "
                    + deviation.topic()
                    + " to "
                    + deviation.requirement().value()
                    + ", which was "
                    + deviation.found());
          }
          return new Changes(
              changes,
              requests,
              deviations.stream().anyMatch(deviation -> removesRequests(topics, deviation)));
        });
  }

  private static boolean removesRequests(TopicNames topics, TopicDeviation deviation) {
    return topics.requests().contains(deviation.topic())
        && List.of(
                TopicConfig.CLEANUP_POLICY_CONFIG,
                TopicConfig.RETENTION_MS_CONFIG,
                TopicConfig.RETENTION_BYTES_CONFIG)
            .contains(deviation.requirement().name());
  }

  private static List<String> createMissing(
      Admin admin,
      TopicNames topics,
      int partitions,
      short replicationFactor,
      TopicSettings settings)
      throws ExecutionException, InterruptedException, TimeoutException {
    var existing = TopicOffsets.get(admin.listTopics().names());
    short replicas =
        replicationFactor == -1 && TopicReplicas.brokers(admin) >= TopicReplicas.WANTED
            ? TopicReplicas.WANTED
            : replicationFactor;
    var missing =
        topics.all().stream()
            .filter(topic -> !existing.contains(topic))
            .map(topic ->
                new NewTopic(topic, partitionsOf(topics, topic, partitions), replicas)
                    .configs(
                        TopicRequirement.ofNew(topics, topic, settings, replicas).stream()
                            .collect(
                                Collectors.toMap(TopicRequirement::name, TopicRequirement::value))))
            .toList();
    var created = admin.createTopics(missing).values();
    var refused = new ArrayList<String>();
    for (var topic : missing) {
      try {
        TopicOffsets.get(Objects.requireNonNull(created.get(topic.name())));
      } catch (ExecutionException e) {
        refused.add(
            "topic "
                + topic.name()
                + " with "
                + new TreeMap<>(topic.configs())
                + "; Kafka: "
                + AskKafka.words(e));
      }
    }
    if (!refused.isEmpty()) {
      throw new InstallException(
          "these topics cannot be created:\n  - " + String.join("\n  - ", refused), null);
    }
    return missing.stream()
        .map(topic ->
            "created topic "
                + topic.name()
                + (topic.numPartitions() == 1
                    ? " with 1 partition"
                    : " with " + topic.numPartitions() + " partitions")
                + (replicas > 1 ? " of " + replicas + " replicas" : ""))
        .toList();
  }

  /// The records of the topic control have one order.
  private static int partitionsOf(TopicNames topics, String topic, int partitions) {
    return topic.equals(topics.control()) ? 1 : partitions;
  }

  private static String ids(Admin admin, TopicNames topics)
      throws ExecutionException, InterruptedException, TimeoutException {
    return new TreeMap<>(idsOf(admin, topics))
        .entrySet().stream()
            .map(topic -> topic.getKey() + "=" + topic.getValue())
            .collect(Collectors.joining(","));
  }

  private static Map<String, String> idsOf(Admin admin, TopicNames topics)
      throws ExecutionException, InterruptedException, TimeoutException {
    var ids = new HashMap<String, String>();
    TopicOffsets.get(admin.describeTopics(topics.requests()).allTopicNames())
        .forEach((name, topic) -> ids.put(name, topic.topicId().toString()));
    return ids;
  }

  /// The ids of the topics of requests, by their names.
  ///
  /// @throws InstallException if the topics are not there, or Kafka does not say
  static Map<String, String> ids(Map<String, Object> client, TopicNames topics) {
    return AskKafka.ask(
        client,
        "the topics cannot be described; pgoffload install makes them",
        admin -> onceKnown(admin, asked -> idsOf(asked, topics)));
  }

  private static <T> T onceKnown(Admin admin, AskKafka.Question<T> question)
      throws ExecutionException, InterruptedException, TimeoutException {
    for (int tries = 1; ; tries++) {
      try {
        return question.ask(admin);
      } catch (ExecutionException e) {
        if (tries == MOST_TRIES || !(e.getCause() instanceof UnknownTopicOrPartitionException)) {
          throw e;
        }
        Thread.sleep(BETWEEN_TRIES);
      }
    }
  }

  /// Sets each by itself, so that one that is refused is named and keeps no other from being set.
  private static void set(
      Admin admin, TopicNames topics, TopicSettings settings, List<TopicDeviation> deviations)
      throws ExecutionException, InterruptedException, TimeoutException {
    var refused = new ArrayList<String>();
    for (var deviation : deviations) {
      var operation =
          new AlterConfigOp(
              new ConfigEntry(deviation.requirement().name(), deviation.requirement().value()),
              AlterConfigOp.OpType.SET);
      try {
        TopicOffsets.get(
            admin
                .incrementalAlterConfigs(
                    Map.of(TopicDeviation.resource(deviation.topic()), List.of(operation)))
                .all());
      } catch (ExecutionException e) {
        refused.add(deviation.text() + "; Kafka: " + AskKafka.words(e));
      }
    }
    if (refused.isEmpty()) {
      refused.addAll(notTaken(admin, topics, settings, deviations));
    }
    if (!refused.isEmpty()) {
      throw new InstallException(
          "these settings of topics cannot be set, without which requests or results can be lost:\n  - "
              + String.join("\n  - ", refused)
              + "\nHave the broker's administrator set or allow them, and run pgoffload install again",
          null);
    }
  }

  /// A broker that takes a setting need not follow it.
  private static List<String> notTaken(
      Admin admin, TopicNames topics, TopicSettings settings, List<TopicDeviation> deviations)
      throws ExecutionException, InterruptedException, TimeoutException {
    if (deviations.isEmpty()) {
      return List.of();
    }
    for (int tries = 1; ; tries++) {
      var left = TopicDeviation.find(admin, topics, settings);
      if (left.isEmpty() || tries == MOST_TRIES) {
        return left.stream()
            .map(deviation -> deviation.text() + "; Kafka took it, and it did not change")
            .toList();
      }
      Thread.sleep(BETWEEN_TRIES);
    }
  }

  /// What an administrator should know of the number of replicas; empty if there are enough.
  ///
  /// @throws InstallException if Kafka does not answer
  public static Optional<String> advice(Map<String, Object> client, TopicNames topics) {
    return AskKafka.ask(
            client,
            "the topics cannot be described",
            admin -> onceKnown(admin, asked -> TopicReplicas.find(asked, topics)))
        .advice();
  }

  static int maxMessageBytes(int maxRequestBytes) {
    return maxRequestBytes + MESSAGE_OVERHEAD_BYTES;
  }

  /// The largest request for which a topic was made that takes so many bytes.
  public static int maxRequestBytes(int maxMessageBytes) {
    return Math.max(1, maxMessageBytes - MESSAGE_OVERHEAD_BYTES);
  }

  /// The largest record that the topics of requests take, in bytes.
  ///
  /// @throws InstallException if the topics are not there, or Kafka does not say
  public static int maxMessageBytes(Map<String, Object> client, TopicNames topics) {
    var resource = new ConfigResource(ConfigResource.Type.TOPIC, topics.llmRequests());
    return AskKafka.ask(
        client,
        "topic " + topics.llmRequests() + " cannot be described; pgoffload install makes it",
        admin -> {
          var config =
              TopicOffsets.get(admin.describeConfigs(List.of(resource)).all()).get(resource);
          var entry = config == null ? null : config.get(TopicConfig.MAX_MESSAGE_BYTES_CONFIG);
          if (entry == null) {
            throw new InstallException(
                "Kafka does not say what topic " + topics.llmRequests() + " takes", null);
          }
          return Integer.parseInt(entry.value());
        });
  }
}
