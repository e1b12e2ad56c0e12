package org.pgoffload.platform;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import javax.sql.DataSource;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How far the consumers of partitions have come, as the database knows it, beside what their
/// groups have committed to Kafka. After a fail-over to a standby that had not got everything, the
/// groups have gone on past what the database has lost: their consumers go back.
///
/// Stateless; safe to share between threads.
public final class ConsumerPositions {
  private static final Logger LOG = LoggerFactory.getLogger(ConsumerPositions.class);

  private ConsumerPositions() {}

  private record Position(TopicPartition partition, long nextOffset, long repeatedBelow) {
    private static final long UNKNOWN = -1;
  }

  /// Has the consumer of newly assigned partitions begin where the database knows it to have come,
  /// where there was a fail-over since. Otherwise it begins where its group has committed. Where
  /// Kafka has lost what was worked off, a sweep of the requests is asked for.
  ///
  /// @return the offset below which records may have come before the last fail-over, of each
  ///   partition that goes back
  /// @throws SQLException if the database cannot be asked: nothing may be consumed then
  public static Map<TopicPartition, Long> goBack(
      Connection database, Consumer<?, ?> consumer, Collection<TopicPartition> assigned)
      throws SQLException {
    var partitions = List.copyOf(assigned);
    var positions =
        Query.rows(
            database,
            "select place, next_offset, coalesce(repeated_below, -1)"
                + " from pgoffload.positions_to_repeat(?, ?)",
            row -> new Position(partitions.get(row.getInt(1) - 1), row.getLong(2), row.getLong(3)),
            Query.array("text", partitions, TopicPartition::topic),
            Query.array("integer", partitions, TopicPartition::partition));
    var first = positions.stream().filter(each -> each.repeatedBelow == Position.UNKNOWN).toList();
    var repeatedBelow = new HashMap<TopicPartition, Long>();
    if (!first.isEmpty()) {
      var ends = consumer.endOffsets(first.stream().map(Position::partition).toList());
      if (first.stream().anyMatch(each -> each.nextOffset > end(ends, each.partition))) {
        LOG.error("Kafka has lost records of {}: what has no result is sent again", ends.keySet());
        Query.execute(database, "select pgoffload.prepare_timeline()");
        Query.execute(database, "select pgoffload.record_kafka_loss()");
      }
      begin(database, ends);
      repeatedBelow.putAll(ends);
    }
    for (var each : positions) {
      long below = repeatedBelow.merge(each.partition, each.repeatedBelow, Math::max);
      LOG.info(
          "{} is read again from {} to {}: the database was failed over",
          each.partition,
          each.nextOffset,
          below);
      consumer.seek(each.partition, Math.min(each.nextOffset, below));
    }
    return repeatedBelow;
  }

  private static long end(Map<TopicPartition, Long> ends, TopicPartition of) {
    return Objects.requireNonNull(ends.get(of), "asked for");
  }

  private static void begin(Connection database, Map<TopicPartition, Long> ends)
      throws SQLException {
    var partitions = List.copyOf(ends.keySet());
    Query.execute(
        database,
        "select pgoffload.begin_to_repeat(?, ?, ?)",
        Query.array("text", partitions, TopicPartition::topic),
        Query.array("integer", partitions, TopicPartition::partition),
        Query.array("bigint", partitions, each -> end(ends, each)));
  }

  /// Records how far partitions are worked off.
  public static void record(DataSource database, Map<TopicPartition, Long> nextOffsets)
      throws SQLException {
    var partitions = new ArrayList<>(nextOffsets.keySet());
    Query.execute(
        database,
        "select pgoffload.record_positions(?, ?, ?)",
        Query.array("text", partitions, TopicPartition::topic),
        Query.array("integer", partitions, TopicPartition::partition),
        Query.array(
            "bigint",
            partitions,
            each -> Objects.requireNonNull(nextOffsets.get(each), "is its key")));
  }

  /// How far each partition of a topic is worked off, in a map that may be changed; those that
  /// nobody has recorded are missing.
  public static Map<TopicPartition, Long> of(DataSource database, String topic)
      throws SQLException {
    var positions = new HashMap<TopicPartition, Long>();
    Query.each(
        database,
        "select partition, next_offset from pgoffload.positions_of(?)",
        row -> positions.put(new TopicPartition(topic, row.getInt(1)), row.getLong(2)),
        topic);
    return positions;
  }
}
