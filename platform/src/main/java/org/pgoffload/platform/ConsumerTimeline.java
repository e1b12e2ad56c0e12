package org.pgoffload.platform;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;

/// The timeline of the database on which a consumer has begun, and what it tells the database of
/// its partitions. For one thread.
public final class ConsumerTimeline {
  private final RepeatedRecords repeated;
  private @Nullable UUID token;
  private boolean outdated;

  /// Partitions of which Kafka has lost records, as the database is to be told: their consumer has
  /// begun them anew.
  private final Set<TopicPartition> kafkaLost = new HashSet<>();

  /// @param repeated learns which records may have come before the last fail-over
  public ConsumerTimeline(RepeatedRecords repeated) {
    this.repeated = repeated;
  }

  /// Another consumer begins.
  public void begin() {
    token = null;
    outdated = false;
  }

  /// Has the consumer of newly assigned partitions begin where it should, as
  /// [ConsumerPositions#goBack].
  ///
  /// @throws SQLException if the database cannot be asked: nothing may be consumed then
  public void goBack(
      Connection database, Consumer<?, ?> consumer, Collection<TopicPartition> assigned)
      throws SQLException {
    var begun = ConsumerPositions.goBack(database, consumer, assigned);
    outdated |= token != null && !token.equals(begun.token());
    if (token == null) {
      token = begun.token();
    }
    repeated.below(begun.repeatedBelow());
  }

  /// The token of the timeline on which the consumer has begun; null before.
  public @Nullable UUID token() {
    return token;
  }

  /// The database was failed over.
  public void end() {
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

  /// Whether the database is to be told of anything.
  ///
  /// @param areNew whether there are positions that it does not know
  public boolean hasNews(boolean areNew) {
    return token != null && (areNew || !kafkaLost.isEmpty());
  }

  /// Tells the database how far partitions are worked off, and of which Kafka has lost records.
  ///
  /// @return false if it was failed over since: the consumer has to go back
  /// @throws SQLException if it cannot be told; to be called again
  public boolean record(Connection database, Map<TopicPartition, Long> nextOffsets)
      throws SQLException {
    if (!kafkaLost.isEmpty()) {
      ConsumerPositions.lost(database, kafkaLost);
      kafkaLost.clear();
    }
    boolean recorded =
        ConsumerPositions.record(
            database, Objects.requireNonNull(token, "it has begun"), nextOffsets);
    outdated |= !recorded;
    return recorded;
  }
}
