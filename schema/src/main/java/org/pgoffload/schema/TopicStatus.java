package org.pgoffload.schema;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.pgoffload.protocol.TopicNames;

/// How far the parts have come with the topics.
///
/// @param lags of each topic that a part consumes, how many records it has not finished
/// @param deadLetters how many records the topic of dead letters holds
public record TopicStatus(Map<String, Long> lags, long deadLetters) {
  public TopicStatus {
    lags = Map.copyOf(lags);
  }

  /// Asks Kafka.
  ///
  /// @throws ExecutionException if Kafka refuses
  /// @throws TimeoutException if it does not answer
  public static TopicStatus read(Admin admin, TopicNames topics)
      throws ExecutionException, InterruptedException, TimeoutException {
    var lags = new LinkedHashMap<String, Long>();
    for (var topic : List.of(topics.llmRequests(), topics.sqlRequests(), topics.deferred())) {
      lags.put(topic, lag(admin, topic, topics.workersOf(topic)));
    }
    lags.put(topics.results(), lag(admin, topics.results(), topics.writeBack()));
    return new TopicStatus(lags, held(admin, topics.deadLetters()));
  }

  private static long lag(Admin admin, String topic, String group)
      throws ExecutionException, InterruptedException, TimeoutException {
    var partitions = TopicOffsets.partitions(admin, topic);
    var first = TopicOffsets.of(admin, partitions, OffsetSpec.earliest());
    var ends = TopicOffsets.of(admin, partitions, OffsetSpec.latest());
    var committed = TopicOffsets.committed(admin, group);
    long lag = 0;
    for (var partition : partitions) {
      long from =
          Math.max(first.getOrDefault(partition, 0L), committed.getOrDefault(partition, 0L));
      lag += Math.max(0, ends.getOrDefault(partition, 0L) - from);
    }
    return lag;
  }

  private static long held(Admin admin, String topic)
      throws ExecutionException, InterruptedException, TimeoutException {
    var partitions = TopicOffsets.partitions(admin, topic);
    var first = TopicOffsets.of(admin, partitions, OffsetSpec.earliest());
    var ends = TopicOffsets.of(admin, partitions, OffsetSpec.latest());
    return partitions.stream()
        .mapToLong(each -> ends.getOrDefault(each, 0L) - first.getOrDefault(each, 0L))
        .sum();
  }
}
