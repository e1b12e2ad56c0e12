package org.pgoffload.platform;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;

/// Asks Kafka where topics and groups stand.
public final class TopicOffsets {
  private static final long PATIENCE_SECONDS = 30;

  private TopicOffsets() {}

  /// The partitions of a topic.
  ///
  /// @throws ExecutionException if Kafka refuses
  /// @throws TimeoutException if it does not answer
  public static List<TopicPartition> partitions(Admin admin, String topic)
      throws ExecutionException, InterruptedException, TimeoutException {
    var description = get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic);
    return description == null
        ? List.of()
        : description.partitions().stream()
            .map(partition -> new TopicPartition(topic, partition.partition()))
            .toList();
  }

  /// An offset of each partition; -1 where there is none such.
  ///
  /// @throws ExecutionException if Kafka refuses
  /// @throws TimeoutException if it does not answer
  public static Map<TopicPartition, Long> of(
      Admin admin, List<TopicPartition> partitions, OffsetSpec which)
      throws ExecutionException, InterruptedException, TimeoutException {
    var wanted = new HashMap<TopicPartition, OffsetSpec>();
    partitions.forEach(partition -> wanted.put(partition, which));
    var offsets = new HashMap<TopicPartition, Long>();
    get(admin.listOffsets(wanted).all())
        .forEach((partition, found) -> offsets.put(partition, found.offset()));
    return offsets;
  }

  /// The committed offsets of a group, for every topic that it reads.
  ///
  /// @throws ExecutionException if Kafka refuses
  /// @throws TimeoutException if it does not answer
  public static Map<TopicPartition, Long> committed(Admin admin, String group)
      throws ExecutionException, InterruptedException, TimeoutException {
    var offsets = new HashMap<TopicPartition, Long>();
    get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata())
        .forEach((partition, committed) -> {
          if (committed != null) {
            offsets.put(partition, committed.offset());
          }
        });
    return offsets;
  }

  /// Waits for an answer, as long as is worth it.
  ///
  /// @throws ExecutionException if Kafka refuses
  /// @throws TimeoutException if it does not answer
  public static <T> T get(KafkaFuture<T> answer)
      throws ExecutionException, InterruptedException, TimeoutException {
    return answer.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
  }
}
