package org.pgoffload.operations;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.config.ConfigResource;
import org.pgoffload.platform.TopicOffsets;
import org.pgoffload.protocol.TopicNames;

/// A setting of a topic that is not what a guarantee needs.
///
/// @param topic the topic's name
/// @param requirement what the setting has to be
/// @param found its value
public record TopicDeviation(String topic, TopicRequirement requirement, String found) {
  /// Compares the topics that are there with what they have to be. A setting that the broker does
  /// not know is left out.
  ///
  /// @param settings the database's
  /// @throws ExecutionException if Kafka refuses
  /// @throws TimeoutException if it does not answer
  public static List<TopicDeviation> find(Admin admin, TopicNames topics, TopicSettings settings)
      throws ExecutionException, InterruptedException, TimeoutException {
    var known = TopicOffsets.get(admin.listTopics().names());
    var present = new ArrayList<>(topics.all());
    // a Connect cluster's, where there is one
    present.add(topics.heartbeats());
    present.retainAll(known);
    var described = TopicOffsets.get(admin.describeTopics(present).allTopicNames());
    var configurations =
        TopicOffsets.get(
            admin.describeConfigs(present.stream().map(TopicDeviation::resource).toList()).all());
    var found = new ArrayList<TopicDeviation>();
    for (var topic : present) {
      var description = described.get(topic);
      var configuration = configurations.get(resource(topic));
      if (description != null && configuration != null) {
        found.addAll(of(topics, description, configuration, settings));
      }
    }
    return List.copyOf(found);
  }

  private static List<TopicDeviation> of(
      TopicNames topics,
      TopicDescription description,
      Config configuration,
      TopicSettings settings) {
    var topic = description.name();
    int replicas =
        description.partitions().stream()
            .mapToInt(partition -> partition.replicas().size())
            .min()
            .orElse(1);
    var found = new ArrayList<TopicDeviation>();
    for (var requirement : TopicRequirement.of(topics, topic, settings, replicas)) {
      var entry = configuration.get(requirement.name());
      if (entry != null && entry.value() != null && !requirement.isMet(entry.value(), replicas)) {
        found.add(new TopicDeviation(topic, requirement, entry.value()));
      }
    }
    return found;
  }

  static ConfigResource resource(String topic) {
    return new ConfigResource(ConfigResource.Type.TOPIC, topic);
  }

  /// In one line, such as `topic pgoffload.deferred: cleanup.policy is compact, and has to be
  /// delete`.
  public String text() {
    var atLeast =
        switch (requirement.rule()) {
          case EXACTLY -> "";
          case AT_LEAST ->
              Long.parseLong(found) < Long.parseLong(requirement.value()) ? "at least " : "";
        };
    return "topic "
        + topic
        + ": "
        + requirement.name()
        + " is "
        + found
        + ", and has to be "
        + atLeast
        + requirement.value();
  }
}
