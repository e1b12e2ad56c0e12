package org.pgoffload.operations.removal;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.pgoffload.operations.AskKafka;
import org.pgoffload.platform.TopicOffsets;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallException;

/// Removes the topics of an installation, those that its results application has made for itself
/// among them, and its parts' consumer groups. Idempotent.
public final class RemoveTopics {
  private RemoveTopics() {}

  /// The topics and groups to remove.
  public record Found(List<String> topics, List<String> groups) {
    public Found {
      topics = List.copyOf(topics);
      groups = List.copyOf(groups);
    }

    /// One line for each.
    public List<String> lines() {
      return Stream.concat(
              topics.stream().map(topic -> "topic " + topic),
              groups.stream().map(group -> "consumer group " + group))
          .toList();
    }
  }

  /// Looks, and changes nothing.
  ///
  /// @throws InstallException if Kafka cannot be asked
  public static Found find(Map<String, Object> client, TopicNames topics) {
    return ask(client, admin -> find(admin, topics));
  }

  /// Removes what is there.
  ///
  /// @return what was removed
  /// @throws InstallException if Kafka refuses, or a part still reads
  public static Found run(Map<String, Object> client, TopicNames topics) {
    return ask(
        client,
        admin -> {
          var found = find(admin, topics);
          // first, since a group with a member shows that a part still runs
          for (var group : found.groups()) {
            try {
              TopicOffsets.get(admin.deleteConsumerGroups(List.of(group)).all());
            } catch (ExecutionException e) {
              if (e.getCause() instanceof GroupNotEmptyException) {
                throw new InstallException(
                    "consumer group "
                        + group
                        + " has members: end the parts of pgoffload first, and run this again",
                    e);
              }
              if (!(e.getCause() instanceof GroupIdNotFoundException)) {
                throw e;
              }
            }
          }
          for (var topic : found.topics()) {
            try {
              TopicOffsets.get(admin.deleteTopics(List.of(topic)).all());
            } catch (ExecutionException e) {
              if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) {
                throw e;
              }
            }
          }
          return found;
        });
  }

  private static Found find(Admin admin, TopicNames topics)
      throws ExecutionException, InterruptedException, TimeoutException {
    var names = new ArrayList<>(topics.all());
    names.add(topics.heartbeats());
    var there =
        TopicOffsets.get(admin.listTopics().names()).stream()
            // Kafka Streams makes its own beside what it writes
            .filter(topic -> names.contains(topic) || topic.startsWith(topics.usage() + "-"))
            .sorted()
            .toList();
    var groups =
        Stream.concat(
                topics.requests().stream().map(topics::workersOf),
                Stream.of(topics.writeBack(), topics.usage()))
            .toList();
    var known =
        TopicOffsets.get(admin.listGroups().all()).stream()
            .map(GroupListing::groupId)
            .filter(groups::contains)
            .sorted()
            .toList();
    return new Found(there, known);
  }

  private static Found ask(Map<String, Object> client, AskKafka.Question<Found> question) {
    return AskKafka.ask(client, "the topics could not be removed; run this again", question);
  }
}
