package org.pgoffload.operations;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.TopicConfig;
import org.pgoffload.platform.TopicOffsets;
import org.pgoffload.protocol.TopicNames;

/// How the partitions of the topics are replicated, and which replicas are missing at the moment.
///
/// @param brokers how many are there
/// @param fewReplicas topics with fewer replicas than [#WANTED]
/// @param offline partitions without a leader: nobody reads or writes them
/// @param belowMinimum partitions that take no records, since fewer replicas are in sync than
///   `min.insync.replicas`
/// @param behind the other partitions of which a replica is not in sync
public record TopicReplicas(
    int brokers,
    List<String> fewReplicas,
    List<String> offline,
    List<String> belowMinimum,
    List<String> behind) {
  /// How many replicas a topic has where there are so many brokers: one may be away, and what is
  /// acknowledged meanwhile is still on two.
  public static final int WANTED = 3;

  private static final int SHOWN = 10;

  public TopicReplicas {
    fewReplicas = List.copyOf(fewReplicas);
    offline = List.copyOf(offline);
    belowMinimum = List.copyOf(belowMinimum);
    behind = List.copyOf(behind);
  }

  /// Asks Kafka of the topics that are there.
  ///
  /// @throws ExecutionException if Kafka refuses
  /// @throws TimeoutException if it does not answer
  public static TopicReplicas find(Admin admin, TopicNames topics)
      throws ExecutionException, InterruptedException, TimeoutException {
    int brokers = brokers(admin);
    var present = new ArrayList<>(topics.all());
    present.retainAll(TopicOffsets.get(admin.listTopics().names()));
    var described = TopicOffsets.get(admin.describeTopics(present).allTopicNames());
    var configurations =
        TopicOffsets.get(
            admin.describeConfigs(present.stream().map(TopicDeviation::resource).toList()).all());
    var few = new ArrayList<String>();
    var offline = new ArrayList<String>();
    var belowMinimum = new ArrayList<String>();
    var behind = new ArrayList<String>();
    for (var topic : present) {
      var description = described.get(topic);
      var configuration = configurations.get(TopicDeviation.resource(topic));
      if (description == null || configuration == null) {
        continue;
      }
      var entry = configuration.get(TopicConfig.MIN_IN_SYNC_REPLICAS_CONFIG);
      int minimum = entry == null || entry.value() == null ? 1 : Integer.parseInt(entry.value());
      boolean isFew = false;
      for (var partition : description.partitions()) {
        var name = topic + "-" + partition.partition();
        isFew |= partition.replicas().size() < WANTED;
        if (isOffline(partition)) {
          offline.add(name);
        } else if (partition.isr().size() < minimum) {
          belowMinimum.add(name);
        } else if (partition.isr().size() < partition.replicas().size()) {
          behind.add(name);
        }
      }
      if (isFew) {
        few.add(topic);
      }
    }
    return new TopicReplicas(brokers, few, offline, belowMinimum, behind);
  }

  /// How many brokers are there.
  static int brokers(Admin admin)
      throws ExecutionException, InterruptedException, TimeoutException {
    return TopicOffsets.get(admin.describeCluster().nodes()).size();
  }

  private static boolean isOffline(TopicPartitionInfo partition) {
    var leader = partition.leader();
    return leader == null || leader.id() == Node.noNode().id();
  }

  /// What an administrator should know of the number of replicas; empty if there are enough.
  public Optional<String> advice() {
    if (fewReplicas.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        brokers < WANTED
            ? "Kafka has "
                + (brokers == 1 ? "one broker" : brokers + " brokers")
                + ": requests and results that it has acknowledged can be lost with one of its disks"
                + (brokers == 1 ? ", or when the power fails" : "")
                + ". With three brokers they cannot."
            : "Kafka has "
                + brokers
                + " brokers, but these topics have fewer than three replicas, and can lose requests"
                + " and results with one broker's disk: "
                + String.join(", ", fewReplicas)
                + ". Raise it with kafka-reassign-partitions (docs/operations.md, Three brokers), and"
                + " run pgoffload install again.");
  }

  private static String some(List<String> partitions) {
    return partitions.stream().limit(SHOWN).collect(Collectors.joining(", "))
        + (partitions.size() > SHOWN ? " and " + (partitions.size() - SHOWN) + " more" : "");
  }

  /// As a check of `status`.
  public InstallationStatus.Check check() {
    if (!offline.isEmpty()) {
      return new InstallationStatus.Check(
          "replicas",
          "error",
          "nothing can be read or written, and requests wait, for want of a leader: "
              + some(offline),
          "Start the brokers that are away. Do not make the topics anew: what they hold would be lost.");
    }
    if (!belowMinimum.isEmpty()) {
      return new InstallationStatus.Check(
          "replicas",
          "error",
          "nothing can be written, and requests and results wait, for want of in-sync replicas: "
              + some(belowMinimum),
          "Start the brokers that are away. Nothing is lost meanwhile; lowering min.insync.replicas"
              + " could lose what is acknowledged then.");
    }
    if (!behind.isEmpty()) {
      return new InstallationStatus.Check(
          "replicas",
          "warning",
          "replicas are away or behind, and all goes on: " + some(behind),
          "Start the brokers that are away before another one goes.");
    }
    var advice = advice();
    if (advice.isPresent() && brokers >= WANTED) {
      return new InstallationStatus.Check("replicas", "warning", advice.get(), null);
    }
    return new InstallationStatus.Check(
        "replicas", "ok", advice.orElse("all replicas of the topics are in sync"), null);
  }
}
