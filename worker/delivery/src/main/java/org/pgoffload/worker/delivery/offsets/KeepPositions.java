package org.pgoffload.worker.delivery.offsets;

import java.sql.SQLException;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.ConsumerTimeline;
import org.pgoffload.platform.RepeatedRecords;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps in the database how far one consumer has come, and has it go back to there after a
/// fail-over of the database. A partition that comes is paused until the database has said where to
/// begin.
///
/// For the polling thread alone.
public final class KeepPositions {
  private static final Logger LOG = LoggerFactory.getLogger(KeepPositions.class);

  private static final Duration INTERVAL = Duration.ofSeconds(1);
  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(500);

  private final DataSource database;
  private final ConsumerTimeline timeline;
  private final BooleanSupplier mayBegin;
  private final Set<TopicPartition> undecided = new HashSet<>();
  private final Map<TopicPartition, Long> recorded = new HashMap<>();
  private final Complaint complaint = new Complaint(LOG);
  private long nextDecision = System.nanoTime();
  private long nextRecord = System.nanoTime();

  /// @param repeated learns which records may have come before the last fail-over
  /// @param mayBegin whether the worker has its lease
  public KeepPositions(DataSource database, RepeatedRecords repeated, BooleanSupplier mayBegin) {
    this.database = database;
    this.timeline = new ConsumerTimeline(repeated);
    this.mayBegin = mayBegin;
  }

  /// These have come, and are paused.
  void assigned(Collection<TopicPartition> partitions) {
    undecided.addAll(partitions);
  }

  /// These have gone.
  void lost(Collection<TopicPartition> partitions) {
    undecided.removeAll(partitions);
    recorded.keySet().removeAll(partitions);
  }

  /// Has partitions that have come begin where they should.
  ///
  /// @return whether none is left that waits for the database
  public boolean decide(Consumer<?, ?> consumer) {
    if (undecided.isEmpty()) {
      return true;
    }
    if (System.nanoTime() - nextDecision < 0 || !mayBegin.getAsBoolean()) {
      return false;
    }
    try (var connection = database.getConnection()) {
      timeline.goBack(connection, consumer, undecided);
      consumer.resume(undecided);
      undecided.clear();
      complaint.end();
      return true;
    } catch (SQLException e) {
      complaint.of(
          "Requests wait, because the database could not be asked where to begin: "
              + e.getMessage());
      nextDecision = System.nanoTime() + PAUSE_AFTER_FAULT.toNanos();
      return false;
    }
  }

  /// Kafka has lost records of a partition, and the consumer has begun it anew.
  void kafkaLost(TopicPartition partition) {
    timeline.kafkaLost(partition);
  }

  /// Of the timeline on which the consumer has begun; null before.
  public @Nullable UUID token() {
    return timeline.token();
  }

  /// The database has refused something: it is asked soon whether it was failed over.
  public void doubt() {
    recorded.clear();
  }

  /// Whether the database was failed over after the consumer had begun: it has to go back.
  public boolean isOutdated() {
    return timeline.isOutdated();
  }

  /// Records how far the partitions are finished, unless that was done a moment ago, or nothing has
  /// changed since. Where it fails, the next time serves.
  ///
  /// @param offsets below which everything is finished, of each partition
  void recordIfDue(Supplier<Map<TopicPartition, Long>> offsets) {
    if (System.nanoTime() - nextRecord < 0) {
      return;
    }
    nextRecord = System.nanoTime() + INTERVAL.toNanos();
    var finished = offsets.get();
    if (!timeline.hasNews(!finished.equals(recorded))) {
      return;
    }
    try (var connection = database.getConnection()) {
      if (timeline.record(connection, finished)) {
        recorded.clear();
        recorded.putAll(finished);
      }
    } catch (SQLException e) {
      LOG.debug("Positions could not be recorded", e);
    }
  }
}
