package org.pgoffload.operations.retention;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Query;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps the tables of requests as small as the setting `retention` says, without a dead tuple: ids
/// go up by ranges, each range has a partition of every table, and a range is removed whole once it
/// is old and everything in it has ended.
///
/// Readers and writers are not disturbed: partitions are attached and detached without a lock that
/// they wait for. An interrupted removal is finished the next time; two removals at once wait for
/// each other.
public final class RemoveOldRequests {
  private static final Logger LOG = LoggerFactory.getLogger(RemoveOldRequests.class);

  /// Behind a lock that is waited for, others wait as well.
  private static final String PATIENCE = "set lock_timeout = '10s'";

  private RemoveOldRequests() {}

  /// Makes partitions ahead, begins the next range of ids when it is time, and removes old ranges.
  ///
  /// @param database the owner's login
  /// @param mayRemove false while unrecorded requests may be on their way that are older than the
  ///   retention
  /// @return one line for each thing that changed; empty when nothing did
  /// @throws SQLException if the database cannot be asked, or a lock was not to be had: to be
  ///   called again
  public static List<String> run(ConnectAsPart database, boolean mayRemove) throws SQLException {
    try (var connection = database.connectAsPart("pgoffload maintain")) {
      Query.execute(connection, PATIENCE);
      var changes = new ArrayList<String>();
      changes.addAll(beginRange(connection));
      if (mayRemove) {
        changes.addAll(removeRanges(connection));
      }
      while (number(connection, "select pgoffload.remove_old_rows()::int") > 0) {
        LOG.debug("There are more old rows");
      }
      return List.copyOf(changes);
    }
  }

  /// Makes the partitions of the range after the current one, which is then ready to be begun.
  public static void makePartitionsAhead(Connection connection) throws SQLException {
    long current = number(connection, "select pgoffload.current_id_range()");
    for (long range = current; range <= current + 1; range++) {
      long made = number(connection, "select pgoffload.make_partitions(" + range + ")");
      LOG.debug("Range {} of ids lacked {} partitions", range, made);
    }
  }

  private static List<String> beginRange(Connection connection) throws SQLException {
    // each in a transaction of its own: the sequence must not move to partitions that are rolled
    // back
    makePartitionsAhead(connection);
    if (number(connection, "select pgoffload.id_range_is_over()::int") == 0) {
      return List.of();
    }
    long begun = number(connection, "select pgoffload.begin_id_range()");
    makePartitionsAhead(connection);
    return List.of("began range " + begun + " of ids");
  }

  private record Partition(String parent, String name, boolean detaching) {}

  private static List<String> removeRanges(Connection connection) throws SQLException {
    var changes = new ArrayList<String>();
    var ranges =
        Query.rows(connection, "select * from pgoffload.old_id_ranges()", row -> row.getLong(1));
    for (long range : ranges) {
      try {
        removeRange(connection, range).ifPresent(changes::add);
      } catch (SQLException e) {
        if (!DatabaseFault.is(e, DatabaseFault.LOCK_NOT_AVAILABLE)) {
          throw e;
        }
        LOG.info(
            "Range {} of ids is being read, by a long transaction; its removal goes on next time",
            range);
      }
    }
    return changes;
  }

  private static Optional<String> removeRange(Connection connection, long range)
      throws SQLException {
    if (!beginsToRemove(connection, range)) {
      return Optional.empty();
    }
    for (var partition : partitions(connection, range)) {
      // outside a transaction block: this waits for present readers of the table, and blocks none
      Query.execute(
          connection,
          "alter table "
              + partition.parent
              + " detach partition "
              + partition.name
              + (partition.detaching ? " finalize" : " concurrently"));
    }
    Query.execute(connection, "select pgoffload.drop_detached(" + range + ")");
    Query.execute(connection, "select pgoffload.forget_id_range(" + range + ")");
    return Optional.of("removed range " + range + " of ids, with all its requests and results");
  }

  private static boolean beginsToRemove(Connection connection, long range) throws SQLException {
    return Query.row(
        connection,
        "select unanswered, example from pgoffload.begin_removal(?)",
        row -> {
          long unanswered = row.getLong(1);
          if (unanswered > 0) {
            LOG.warn(
                "Range {} of ids is older than the retention and is kept, because {} of its requests"
                    + " have no result yet, {} for example",
                range,
                unanswered,
                row.getLong(2));
          }
          return unanswered == 0;
        },
        range);
  }

  /// The names come quoted from the catalog.
  private static List<Partition> partitions(Connection connection, long range) throws SQLException {
    return Query.rows(
        connection,
        "select parent::text, partition::text, detaching from pgoffload.partitions_of(?)",
        row -> new Partition(row.getString(1), row.getString(2), row.getBoolean(3)),
        range);
  }

  /// The single number that a query returns.
  public static long number(Connection connection, String query) throws SQLException {
    return Query.row(connection, query, row -> row.getLong(1));
  }
}
