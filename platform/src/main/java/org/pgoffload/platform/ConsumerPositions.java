package org.pgoffload.platform;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
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

  /// What the consumer of newly assigned partitions has to know.
  ///
  /// @param token of the database's timeline
  /// @param repeatedBelow the offset below which records may have come before, of each partition
  ///   that goes back
  public record Begun(UUID token, Map<TopicPartition, Long> repeatedBelow) {}

  /// @param nextOffset -1 if none is recorded
  /// @param repeatedBelow -1 if it is not known yet
  private record Position(
      TopicPartition partition, UUID token, long nextOffset, boolean goesBack, long repeatedBelow) {
    private static final long UNKNOWN = -1;
  }

  /// Has the consumer of newly assigned partitions begin where the database knows it to have come,
  /// where there was a fail-over since. Otherwise it begins where its group has committed. Where
  /// Kafka has lost what was worked off, the partition is read from its beginning, and a sweep of
  /// the requests is asked for.
  ///
  /// @throws SQLException if the database cannot be asked: nothing may be consumed then
  public static Begun goBack(
      Connection database, Consumer<?, ?> consumer, Collection<TopicPartition> assigned)
      throws SQLException {
    var partitions = List.copyOf(assigned);
    var positions = positions(database, partitions);
    var ends = consumer.endOffsets(partitions);
    // also where it ends before what was to come again
    var lost =
        positions.stream()
            .filter(each -> Math.max(each.nextOffset, each.repeatedBelow) > of(each, ends))
            .toList();
    if (!lost.isEmpty()) {
      lost(database, lost.stream().map(Position::partition).toList());
    }
    var back = positions.stream().filter(each -> each.goesBack || lost.contains(each)).toList();
    var first =
        back.stream()
            .filter(each -> each.repeatedBelow == Position.UNKNOWN || lost.contains(each))
            .toList();
    if (!first.isEmpty()) {
      Query.execute(
          database,
          "select pgoffload.begin_to_repeat(?, ?, ?)",
          Query.array("text", first, each -> each.partition.topic()),
          Query.array("integer", first, each -> each.partition.partition()),
          Query.array("bigint", first, each -> of(each, ends)));
    }
    // retention may have removed some of it
    var begins = consumer.beginningOffsets(back.stream().map(Position::partition).toList());
    var repeatedBelow = new HashMap<TopicPartition, Long>();
    for (var each : back) {
      long from = Math.max(lost.contains(each) ? 0 : each.nextOffset, of(each, begins));
      long below = first.contains(each) ? of(each, ends) : each.repeatedBelow;
      LOG.info("{} is read again from {} to {}", each.partition, from, below);
      repeatedBelow.put(each.partition, below);
      consumer.seek(each.partition, from);
    }
    recordFirst(database, consumer, positions);
    return new Begun(positions.getFirst().token, repeatedBelow);
  }

  /// Records that Kafka has lost records that were worked off: what has no result is sent again.
  ///
  /// @throws SQLException if the database cannot be asked; to be called again
  public static void lost(Connection database, Collection<TopicPartition> partitions)
      throws SQLException {
    LOG.error("Kafka has lost records of {}: what has no result is sent again", partitions);
    Query.execute(database, "select pgoffload.prepare_timeline()");
    Query.execute(database, "select pgoffload.record_kafka_loss()");
  }

  private static List<Position> positions(Connection database, List<TopicPartition> partitions)
      throws SQLException {
    var place = partitions.iterator();
    return Query.rows(
        database,
        "select token, coalesce(next_offset, -1), goes_back, coalesce(repeated_below, -1)"
            + " from pgoffload.positions_at_begin(?, ?)",
        row ->
            new Position(
                place.next(),
                row.getObject(1, UUID.class),
                row.getLong(2),
                row.getBoolean(3),
                row.getLong(4)),
        Query.array("text", partitions, TopicPartition::topic),
        Query.array("integer", partitions, TopicPartition::partition));
  }

  /// A fail-over may come before anything of a partition is worked off.
  private static void recordFirst(
      Connection database, Consumer<?, ?> consumer, List<Position> positions) throws SQLException {
    var offsets = new HashMap<TopicPartition, Long>();
    for (var each : positions) {
      if (each.nextOffset == Position.UNKNOWN) {
        offsets.put(each.partition, consumer.position(each.partition));
      }
    }
    if (!offsets.isEmpty()) {
      var _ = record(database, positions.getFirst().token, offsets);
    }
  }

  private static long of(Position position, Map<TopicPartition, Long> offsets) {
    return Objects.requireNonNull(offsets.get(position.partition), "asked for");
  }

  /// Records how far partitions are worked off.
  ///
  /// @param token of the timeline on which their consumer has begun
  /// @return false if the database was failed over since: the consumer has to go back
  public static boolean record(
      Connection database, UUID token, Map<TopicPartition, Long> nextOffsets) throws SQLException {
    var partitions = List.copyOf(nextOffsets.keySet());
    return Query.row(
        database,
        "select pgoffload.record_positions_since(?, ?, ?, ?)",
        row -> row.getBoolean(1),
        token,
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
