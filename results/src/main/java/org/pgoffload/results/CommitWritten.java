package org.pgoffload.results;

import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.pgoffload.platform.KeepPositions;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Commits the offsets of one consumer, of what is written alone, and has the database told of
/// them. A partition that is given up while its records are being written is not committed with
/// them: its next owner reads them again, and they change nothing.
///
/// For the polling thread alone.
final class CommitWritten implements ConsumerRebalanceListener {
  private static final Logger LOG = LoggerFactory.getLogger(CommitWritten.class);

  private static final Duration INTERVAL = Duration.ofMillis(100);
  private static final Duration PATIENCE = Duration.ofSeconds(1);

  private final Consumer<byte[], byte[]> consumer;
  private final KeepPositions positions;

  /// Past what was polled and is being written.
  private final Map<TopicPartition, OffsetAndMetadata> taken = new HashMap<>();

  /// Past what is written and not known to be committed.
  private final Map<TopicPartition, OffsetAndMetadata> written = new HashMap<>();

  /// Up to where each partition is written, also past records of which nothing is written.
  private final Map<TopicPartition, Long> passed = new HashMap<>();

  private boolean underWay;
  private long lastCommit = System.nanoTime();
  private boolean assigned;

  /// @param positions where the database keeps them
  CommitWritten(Consumer<byte[], byte[]> consumer, KeepPositions positions) {
    this.consumer = consumer;
    this.positions = positions;
  }

  /// These are about to be written. Where a transaction's marker follows the last of them, its
  /// offset counts.
  void taken(ConsumerRecords<byte[], byte[]> records) {
    taken.putAll(records.nextOffsets());
  }

  /// All that was taken is written, or among the dead letters.
  void written() {
    taken.forEach((partition, next) -> {
      var before = passed.put(partition, next.offset());
      if (before != null && next.offset() < before) {
        positions.kafkaLost(partition);
      }
    });
    written.putAll(taken);
    taken.clear();
  }

  /// Asks for a commit, unless the last one was a moment ago or is still under way. What the
  /// database does not know by then is recorded now and then: the last records of a partition may
  /// be such that nothing of them is written.
  void commitIfDue() {
    positions.recordIfDue(() -> {
      positions
          .passed(consumer)
          .forEach((partition, next) -> passed.merge(partition, next, Math::max));
      return passed;
    });
    if (written.isEmpty() || underWay || System.nanoTime() - lastCommit < INTERVAL.toNanos()) {
      return;
    }
    lastCommit = System.nanoTime();
    underWay = true;
    var asked = Map.copyOf(written);
    consumer.commitAsync(
        asked,
        (_, fault) -> {
          underWay = false;
          if (fault == null) {
            asked.forEach(written::remove);
          } else {
            LOG.debug("A commit failed; the next one covers it", fault);
          }
        });
  }

  /// Commits and waits for it, as long as is worth it: what is lost with a commit is only read
  /// again.
  void commitNow() {
    commitNow(List.copyOf(written.keySet()));
  }

  private void commitNow(Collection<TopicPartition> partitions) {
    var offsets = new HashMap<>(written);
    offsets.keySet().retainAll(partitions);
    if (!offsets.isEmpty()) {
      try {
        consumer.commitSync(offsets, PATIENCE);
        offsets.forEach(written::remove);
      } catch (KafkaException e) {
        LOG.info("Offsets could not be committed; what they cover is read again: {}", e.toString());
      }
    }
  }

  /// Whether the group has given it partitions, or none.
  boolean isAssigned() {
    return assigned;
  }

  @Override
  public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
    assigned = true;
    LOG.debug("Reading from {}", partitions);
    consumer.pause(partitions);
    positions.assigned(partitions);
  }

  @Override
  public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
    commitNow(partitions);
    onPartitionsLost(partitions);
  }

  @Override
  public void onPartitionsLost(Collection<TopicPartition> partitions) {
    positions.lost(partitions);
    taken.keySet().removeAll(partitions);
    written.keySet().removeAll(partitions);
    passed.keySet().removeAll(partitions);
  }
}
