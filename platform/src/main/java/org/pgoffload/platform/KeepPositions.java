package org.pgoffload.platform;

import java.sql.Connection;
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
import org.apache.kafka.common.errors.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps in the database how far a consumer has worked off its partitions, and has it go back to
/// there after a fail-over of the database. A partition that comes is paused until the database has
/// said where to begin. Of a partition that goes nothing is kept: another consumer has it from then
/// on, and tells the database of it.
///
/// For the polling thread alone.
public final class KeepPositions {
  private static final Logger LOG = LoggerFactory.getLogger(KeepPositions.class);

  private static final Duration INTERVAL = Duration.ofSeconds(1);
  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(500);

  private final Session session;
  private final RepeatedRecords repeated;
  private final BooleanSupplier mayBegin;
  private final String waiting;
  private final Complaint complaint = new Complaint(LOG);

  /// Of the timeline on which the consumer has begun.
  private @Nullable UUID token;

  private boolean outdated;

  /// Partitions that have come, and are paused.
  private final Set<TopicPartition> undecided = new HashSet<>();

  /// Partitions that go back, and where they will be back.
  private final Map<TopicPartition, Long> goingBack = new HashMap<>();

  /// What the database knows of partitions that have begun.
  private final Map<TopicPartition, Long> recorded = new HashMap<>();

  /// Partitions of which Kafka has lost records, as the database is to be told: their consumer has
  /// begun them anew.
  private final Set<TopicPartition> kafkaLost = new HashSet<>();

  private long nextDecision = System.nanoTime();
  private long nextRecord = System.nanoTime();

  /// A session of the database, or a new one for each work.
  @FunctionalInterface
  public interface Session {
    void run(Work work) throws SQLException;

    /// One of a pool for each work.
    static Session of(DataSource pool) {
      return work -> {
        try (var connection = pool.getConnection()) {
          work.run(connection);
        }
      };
    }
  }

  /// What is asked of the database.
  @FunctionalInterface
  public interface Work {
    void run(Connection connection) throws SQLException;
  }

  /// @param repeated learns which records may have come before the last fail-over
  /// @param mayBegin whether the database may be asked where to begin
  /// @param waiting what waits while it cannot be asked, such as `Requests`
  public KeepPositions(
      Session session, RepeatedRecords repeated, BooleanSupplier mayBegin, String waiting) {
    this.session = session;
    this.repeated = repeated;
    this.mayBegin = mayBegin;
    this.waiting = waiting;
  }

  /// Another consumer begins.
  public void begin() {
    token = null;
    outdated = false;
    undecided.clear();
    goingBack.clear();
    recorded.clear();
  }

  /// These have come, and are paused.
  public void assigned(Collection<TopicPartition> partitions) {
    undecided.addAll(partitions);
  }

  /// These have gone.
  public void lost(Collection<TopicPartition> partitions) {
    undecided.removeAll(partitions);
    goingBack.keySet().removeAll(partitions);
    recorded.keySet().removeAll(partitions);
  }

  /// The partitions that are paused until the database has said where to begin.
  public Set<TopicPartition> undecided() {
    return Set.copyOf(undecided);
  }

  /// Has partitions that have come begin where they should, as [ConsumerPositions#goBack].
  ///
  /// @return whether none is left that waits for the database
  public boolean decide(Consumer<?, ?> consumer) {
    if (undecided.isEmpty()) {
      return true;
    }
    if (System.nanoTime() - nextDecision < 0 || !mayBegin.getAsBoolean()) {
      return false;
    }
    try {
      session.run(connection -> goBack(connection, consumer));
      complaint.end();
      return true;
    } catch (SQLException e) {
      complaint.of(
          waiting
              + " wait, because the database could not be asked where to begin: "
              + e.getMessage());
      nextDecision = System.nanoTime() + PAUSE_AFTER_FAULT.toNanos();
      return false;
    }
  }

  private void goBack(Connection connection, Consumer<?, ?> consumer) throws SQLException {
    var begun = ConsumerPositions.goBack(connection, consumer, undecided);
    outdated |= token != null && !token.equals(begun.token());
    if (token == null) {
      token = begun.token();
    }
    repeated.below(begun.repeatedBelow());
    goingBack.putAll(begun.repeatedBelow());
    // what was written of a partition after it had gone
    recorded.keySet().removeAll(undecided);
    consumer.resume(undecided);
    undecided.clear();
  }

  /// Where the consumer has come in partitions that go back. It may have come there without a
  /// record: retention removes what is to come again, even all of it. To be asked when everything
  /// is received that was polled.
  public Map<TopicPartition, Long> passed(Consumer<?, ?> consumer) {
    var passed = new HashMap<TopicPartition, Long>();
    for (var partition : goingBack.keySet()) {
      try {
        passed.put(partition, consumer.position(partition, Duration.ZERO));
      } catch (TimeoutException e) {
        LOG.debug("The consumer looks for the first record of {}", partition);
      }
    }
    passed.forEach((partition, position) ->
        goingBack.computeIfPresent(partition, (_, back) -> position < back ? back : null));
    return passed;
  }

  /// Of the timeline on which the consumer has begun; null before.
  public @Nullable UUID token() {
    return token;
  }

  /// The database has refused something: it is asked soon whether it was failed over.
  public void doubt() {
    recorded.clear();
  }

  /// The database was failed over.
  public void failedOver() {
    outdated = true;
  }

  /// Whether the database was failed over after the consumer had begun: it has to go back.
  public boolean isOutdated() {
    return outdated;
  }

  /// Kafka has lost records of a partition, and the consumer has begun it anew.
  public void kafkaLost(TopicPartition partition) {
    kafkaLost.add(partition);
  }

  /// The database knows this by now.
  public void recorded(Map<TopicPartition, Long> offsets) {
    recorded.putAll(offsets);
  }

  /// Records how far the partitions are worked off, unless that was done a moment ago, or nothing
  /// has changed since. Where it fails, the next time serves.
  ///
  /// @param offsets below which everything is finished, of each partition
  public void recordIfDue(Supplier<Map<TopicPartition, Long>> offsets) {
    if (System.nanoTime() - nextRecord < 0) {
      return;
    }
    nextRecord = System.nanoTime() + INTERVAL.toNanos();
    var since = token;
    var finished = offsets.get();
    if (since == null
        || (kafkaLost.isEmpty() && recorded.entrySet().containsAll(finished.entrySet()))) {
      return;
    }
    try {
      session.run(connection -> record(connection, since, finished));
    } catch (SQLException e) {
      LOG.debug("Positions could not be recorded", e);
    }
  }

  private void record(Connection connection, UUID since, Map<TopicPartition, Long> finished)
      throws SQLException {
    if (!kafkaLost.isEmpty()) {
      ConsumerPositions.lost(connection, kafkaLost);
      kafkaLost.clear();
    }
    if (ConsumerPositions.record(connection, since, finished)) {
      recorded(finished);
    } else {
      outdated = true;
    }
  }
}
