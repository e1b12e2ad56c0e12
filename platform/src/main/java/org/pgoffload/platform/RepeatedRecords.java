package org.pgoffload.platform;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/// Which records may have come before the last fail-over of the database. Their consumer has gone
/// back to a position that this database knows, and whatever was done for them may be lost.
///
/// Safe to share between threads.
public final class RepeatedRecords {
  private final Map<TopicPartition, Long> below = new ConcurrentHashMap<>();

  /// Records below these offsets may have come before it.
  public void below(Map<TopicPartition, Long> offsets) {
    below.putAll(offsets);
  }

  public boolean contains(ConsumerRecord<byte[], byte[]> record) {
    return contains(new TopicPartition(record.topic(), record.partition()), record.offset());
  }

  public boolean contains(TopicPartition partition, long offset) {
    return offset < below.getOrDefault(partition, 0L);
  }
}
