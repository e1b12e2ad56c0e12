package org.pgoffload.operations.retention;

import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.TopicPartition;
import org.pgoffload.platform.TopicOffsets;
import org.pgoffload.protocol.TopicNames;

/// Removes requests from their topics that are both finished, by the offsets that the workers have
/// committed, and older than the retention. Kafka itself removes nothing from them: what no worker
/// has finished is kept, however old.
public final class TrimRequestTopics {
  private TrimRequestTopics() {}

  /// The outcome of a round.
  ///
  /// @param changes one line for each partition that was trimmed
  /// @param oldUnfinished a partition with a record that is older than the retention and that no
  ///   worker has finished, or empty
  public record Trimmed(List<String> changes, Optional<TopicPartition> oldUnfinished) {
    public Trimmed {
      changes = List.copyOf(changes);
    }
  }

  /// Trims each partition.
  ///
  /// @param client Kafka's client properties
  /// @param retention what is younger is kept
  /// @throws ExecutionException if Kafka refuses
  /// @throws TimeoutException if it does not answer
  public static Trimmed run(Map<String, Object> client, TopicNames topics, Duration retention)
      throws ExecutionException, InterruptedException, TimeoutException {
    var changes = new ArrayList<String>();
    Optional<TopicPartition> oldUnfinished = Optional.empty();
    try (var admin = Admin.create(client)) {
      for (var topic : topics.requests()) {
        var cuts = new HashMap<TopicPartition, RecordsToDelete>();
        for (var partition : partitions(admin, topic, topics.workersOf(topic), retention)) {
          if (partition.hasOldUnfinished()) {
            oldUnfinished = Optional.of(partition.partition);
          }
          if (partition.cut() > partition.first) {
            cuts.put(partition.partition, RecordsToDelete.beforeOffset(partition.cut()));
            changes.add(
                "removed "
                    + (partition.cut() - partition.first)
                    + " finished records from "
                    + partition.partition
                    + ", up to offset "
                    + partition.cut());
          }
        }
        TopicOffsets.get(admin.deleteRecords(cuts).all());
      }
    }
    return new Trimmed(changes, oldUnfinished);
  }

  /// Offsets of a partition.
  ///
  /// @param first that is there
  /// @param committed below which all is finished; the first, if nothing was ever committed
  /// @param young the first that is younger than the retention; the end, if none is
  private record Offsets(TopicPartition partition, long first, long committed, long young) {
    long cut() {
      return Math.min(committed, young);
    }

    boolean hasOldUnfinished() {
      return Math.max(first, committed) < young;
    }
  }

  private static List<Offsets> partitions(
      Admin admin, String topic, String group, Duration retention)
      throws ExecutionException, InterruptedException, TimeoutException {
    var partitions = TopicOffsets.partitions(admin, topic);
    var committed = TopicOffsets.committed(admin, group);
    long oldest = Clock.systemUTC().instant().minus(retention).toEpochMilli();
    var first = TopicOffsets.of(admin, partitions, OffsetSpec.earliest());
    var end = TopicOffsets.of(admin, partitions, OffsetSpec.latest());
    var young = TopicOffsets.of(admin, partitions, OffsetSpec.forTimestamp(oldest));
    var found = new ArrayList<Offsets>();
    for (var partition : partitions) {
      long from = Objects.requireNonNull(first.get(partition));
      long firstYoung = Objects.requireNonNull(young.get(partition));
      found.add(
          new Offsets(
              partition,
              from,
              committed.getOrDefault(partition, from),
              // -1: everything is older
              firstYoung < 0 ? Objects.requireNonNull(end.get(partition)) : firstYoung));
    }
    return found;
  }
}
