package org.pgoffload.operations.removal;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.pgoffload.operations.AskKafka;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.platform.TopicOffsets;
import org.pgoffload.platform.primary.ReadControl;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallException;

/// Removes the topics of an installation, those that its results application has made for itself
/// among them, and its parts' consumer groups. Idempotent.
public final class RemoveTopics {
  /// Renewals are a second apart, and may come late.
  private static final Duration RENEWED = Duration.ofSeconds(3);

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
  /// @throws InstallException if Kafka cannot be asked, or parts run
  public static Found find(Map<String, Object> client, TopicNames topics) {
    var found = ask(client, admin -> find(admin, topics));
    if (found.topics().contains(topics.control())) {
      refuseRunningParts(client, topics);
    }
    return found;
  }

  /// A part that runs renews its record every second; the record of a killed one stays as it is.
  private static void refuseRunningParts(Map<String, Object> client, TopicNames topics) {
    try (var read = new ReadControl(client, topics)) {
      read.readToEnd();
      var before = read.state().parts();
      if (before.isEmpty()) {
        return;
      }
      Thread.sleep(RENEWED);
      read.readToEnd();
      var renewed =
          read.state().parts().values().stream()
              .filter(seen -> {
                var last = before.get(seen.part().name());
                return last == null || last.offset() != seen.offset();
              })
              .map(seen -> seen.part().name())
              .sorted()
              .toList();
      if (!renewed.isEmpty()) {
        throw new InstallException(
            "parts of pgoffload still run on the topics "
                + topics.prefix()
                + ".*: "
                + String.join(", ", renewed)
                + ". End them first. Nothing has changed",
            null);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InstallException("interrupted while Kafka was asked", e);
    } catch (KafkaException e) {
      throw new InstallException(
          "topic " + topics.control() + " cannot be read: " + KafkaFault.words(e), e);
    }
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
