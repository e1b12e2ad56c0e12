package org.pgoffload.schema;

import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.pgoffload.protocol.TopicNames;

/// Removes from the topics of requests what is both finished, by the offsets that the workers have
/// committed, and older than the retention. Kafka itself removes nothing from them: what no worker
/// has finished is kept, however old.
public final class TrimRequestTopics {
  private static final long PATIENCE_SECONDS = 30;

  private TrimRequestTopics() {}

  /// Trims each partition.
  ///
  /// @param client Kafka's client properties
  /// @param retention what is younger is kept
  /// @return one line for each partition that was trimmed
  /// @throws ExecutionException if Kafka refuses
  /// @throws TimeoutException if it does not answer
  public static List<String> run(Map<String, Object> client, TopicNames topics, Duration retention)
      throws ExecutionException, InterruptedException, TimeoutException {
    var changes = new ArrayList<String>();
    try (var admin = Admin.create(client)) {
      for (var topic : List.of(topics.llmRequests(), topics.sqlRequests(), topics.deferred())) {
        changes.addAll(trim(admin, topic, topics.workersOf(topic), retention));
      }
    }
    return List.copyOf(changes);
  }

  private static List<String> trim(Admin admin, String topic, String group, Duration retention)
      throws ExecutionException, InterruptedException, TimeoutException {
    var committed = new HashMap<TopicPartition, OffsetAndMetadata>();
    get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata())
        .forEach((partition, offset) -> {
          if (offset != null && partition.topic().equals(topic)) {
            committed.put(partition, offset);
          }
        });
    if (committed.isEmpty()) {
      return List.of();
    }
    long oldest = Clock.systemUTC().instant().minus(retention).toEpochMilli();
    var first = offsets(admin, committed, OffsetSpec.earliest());
    var young = offsets(admin, committed, OffsetSpec.forTimestamp(oldest));
    var cuts = new HashMap<TopicPartition, RecordsToDelete>();
    var changes = new ArrayList<String>();
    committed.forEach((partition, offset) -> {
      var firstYoung = young.get(partition);
      // -1: everything is older
      long cut =
          firstYoung == null || firstYoung.offset() < 0
              ? offset.offset()
              : Math.min(offset.offset(), firstYoung.offset());
      var firstKept = first.get(partition);
      if (firstKept != null && cut > firstKept.offset()) {
        cuts.put(partition, RecordsToDelete.beforeOffset(cut));
        changes.add(
            "removed "
                + (cut - firstKept.offset())
                + " finished records from "
                + partition
                + ", up to offset "
                + cut);
      }
    });
    get(admin.deleteRecords(cuts).all());
    return changes;
  }

  private static Map<TopicPartition, ListOffsetsResultInfo> offsets(
      Admin admin, Map<TopicPartition, OffsetAndMetadata> partitions, OffsetSpec which)
      throws ExecutionException, InterruptedException, TimeoutException {
    var wanted = new HashMap<TopicPartition, OffsetSpec>();
    partitions.keySet().forEach(partition -> wanted.put(partition, which));
    return get(admin.listOffsets(wanted).all());
  }

  private static <T> T get(KafkaFuture<T> answer)
      throws ExecutionException, InterruptedException, TimeoutException {
    return answer.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
  }
}
