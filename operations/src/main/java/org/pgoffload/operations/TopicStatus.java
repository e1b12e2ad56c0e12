package org.pgoffload.operations;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.pgoffload.platform.TopicOffsets;
import org.pgoffload.protocol.TopicNames;

/// How far the parts have come with the topics.
///
/// @param lags how far each group of consumers is behind
/// @param deadLetters how many records the topic of dead letters holds
public record TopicStatus(List<Lag> lags, long deadLetters) {
  public TopicStatus {
    lags = List.copyOf(lags);
  }

  /// How many records of a topic a group has not finished.
  public record Lag(String topic, String group, long records) {}

  /// How many records of a topic its group has not finished.
  public long unfinished(String topic) {
    return lags.stream().filter(lag -> lag.topic().equals(topic)).mapToLong(Lag::records).sum();
  }

  /// Asks Kafka.
  ///
  /// @throws ExecutionException if Kafka refuses
  /// @throws TimeoutException if it does not answer
  public static TopicStatus read(Admin admin, TopicNames topics)
      throws ExecutionException, InterruptedException, TimeoutException {
    var lags = new ArrayList<Lag>();
    for (var topic : topics.requests()) {
      lags.add(lag(admin, topic, topics.workersOf(topic)));
    }
    lags.add(lag(admin, topics.results(), topics.writeBack()));
    // the application that counts it reads the results, and is named as what it writes
    lags.add(lag(admin, topics.results(), topics.usage()));
    return new TopicStatus(lags, held(admin, topics.deadLetters()));
  }

  private static Lag lag(Admin admin, String topic, String group)
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
    return new Lag(topic, group, lag);
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
