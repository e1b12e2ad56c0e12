package org.pgoffload.worker.delivery.offsets;

import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.pgoffload.platform.KeepPositions;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Commits the offsets of one consumer, below the lowest unfinished record of each partition only.
///
/// For the polling thread alone; only the finishing of a record may come from another.
public final class CommitOffsets implements ConsumerRebalanceListener {
  private static final Logger LOG = LoggerFactory.getLogger(CommitOffsets.class);

  private static final Duration INTERVAL = Duration.ofMillis(100);
  private static final Duration PATIENCE = Duration.ofSeconds(1);

  private final Consumer<byte[], byte[]> consumer;
  private final KeepPositions positions;
  private final java.util.function.Consumer<Collection<TopicPartition>> lost;
  private final Map<TopicPartition, OffsetWatermark> watermarks = new HashMap<>();
  private boolean underWay;
  private long lastCommit = System.nanoTime();

  /// @param positions where the database keeps them
  /// @param lost is told the partitions that other workers read from now on
  public CommitOffsets(
      Consumer<byte[], byte[]> consumer,
      KeepPositions positions,
      java.util.function.Consumer<Collection<TopicPartition>> lost) {
    this.consumer = consumer;
    this.positions = positions;
    this.lost = lost;
  }

  /// A record was received.
  ///
  /// @return what to run, on any thread, once it needs nothing any more; idempotent
  public Runnable begin(ConsumerRecord<byte[], byte[]> record) {
    long offset = record.offset();
    var partition = new TopicPartition(record.topic(), record.partition());
    var known = watermarks.get(partition);
    if (known != null && known.isPast(offset)) {
      watermarks.remove(partition);
      positions.kafkaLost(partition);
    }
    var watermark = watermark(partition, offset);
    watermark.begin(offset);
    return () -> watermark.finish(offset);
  }

  /// All records of a poll were received. Where a Connect cluster with exactly-once support
  /// captures, the last of them is followed by a transaction's marker, and a commit before that
  /// would read as if a request were unfinished.
  public void polled(ConsumerRecords<byte[], byte[]> records) {
    records
        .nextOffsets()
        .forEach(
            (partition, next) -> watermark(partition, next.offset() - 1).passed(next.offset()));
  }

  private OffsetWatermark watermark(TopicPartition partition, long offset) {
    return watermarks.computeIfAbsent(partition, added -> new OffsetWatermark(offset));
  }

  /// Asks for a commit, unless the last one was a moment ago or is still under way.
  public void commitIfDue() {
    positions.recordIfDue(this::finished);
    if (underWay || System.nanoTime() - lastCommit < INTERVAL.toNanos()) {
      return;
    }
    lastCommit = System.nanoTime();
    // what is asked for now is told to these, even if a partition comes back with a new watermark
    var asked = Map.copyOf(watermarks);
    var offsets = committable(asked.keySet());
    if (!offsets.isEmpty()) {
      underWay = true;
      consumer.commitAsync(
          offsets,
          (committed, exception) -> {
            underWay = false;
            if (exception == null) {
              markCommitted(asked, offsets);
            } else {
              LOG.debug("A commit failed; the next one covers it", exception);
            }
          });
    }
  }

  /// Commits and waits for it, as long as is worth it: what is lost with a commit is only delivered
  /// again.
  public void commitNow() {
    commitNow(List.copyOf(watermarks.keySet()));
  }

  private void commitNow(Collection<TopicPartition> partitions) {
    var offsets = committable(partitions);
    if (!offsets.isEmpty()) {
      try {
        consumer.commitSync(offsets, PATIENCE);
        markCommitted(watermarks, offsets);
      } catch (KafkaException e) {
        LOG.info(
            "Offsets could not be committed; what they cover is recognised by its claims: {}",
            e.toString());
      }
    }
  }

  private Map<TopicPartition, Long> finished() {
    positions
        .passed(consumer)
        .forEach((partition, next) -> watermark(partition, next).passed(next));
    var finished = new HashMap<TopicPartition, Long>();
    watermarks.forEach((partition, watermark) -> finished.put(partition, watermark.committable()));
    return finished;
  }

  private Map<TopicPartition, OffsetAndMetadata> committable(
      Collection<TopicPartition> partitions) {
    var offsets = new HashMap<TopicPartition, OffsetAndMetadata>();
    for (var partition : partitions) {
      var watermark = watermarks.get(partition);
      if (watermark != null && watermark.hasAdvanced()) {
        offsets.put(partition, new OffsetAndMetadata(watermark.committable()));
      }
    }
    return offsets;
  }

  private static void markCommitted(
      Map<TopicPartition, OffsetWatermark> of, Map<TopicPartition, OffsetAndMetadata> offsets) {
    offsets.forEach((partition, offset) -> {
      var watermark = of.get(partition);
      if (watermark != null) {
        watermark.committed(offset.offset());
      }
    });
  }

  @Override
  public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
    LOG.info("Reading from {}", partitions);
    consumer.pause(partitions);
    positions.assigned(partitions);
  }

  /// What runs goes on when its partition moves to another worker, which sees it as held. What
  /// waits is left to that worker.
  @Override
  public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
    commitNow(partitions);
    onPartitionsLost(partitions);
  }

  /// The consumer is closed.
  public void loseAll() {
    onPartitionsLost(List.copyOf(watermarks.keySet()));
  }

  @Override
  public void onPartitionsLost(Collection<TopicPartition> partitions) {
    partitions.forEach(watermarks::remove);
    positions.lost(partitions);
    lost.accept(partitions);
  }
}
