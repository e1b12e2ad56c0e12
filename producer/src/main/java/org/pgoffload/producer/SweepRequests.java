package org.pgoffload.producer;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.platform.Query;
import org.pgoffload.platform.TopicOffsets;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// After a break of the capture (a slot that was made anew, topics that were lost), has the
/// database send again what was committed before it and is not answered.
///
/// It first waits until whatever was captured has been worked off, so that nothing is published a
/// second time that is merely queued:
///
/// 1. the slot is past where the WAL was when the sweep began: what was captured is on its topic;
/// 2. consumers that went back after a fail-over are where they were again;
/// 3. the workers have committed all that was then on the topics of requests;
/// 4. the write-back has committed all that was then on the topic of results.
///
/// What still has no result then never arrived, or runs. Each break is swept once.
///
/// Runs on a thread of its own, for as long as requests are captured; where it is interrupted, the
/// next producer begins the sweep again.
final class SweepRequests implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(SweepRequests.class);

  private static final Duration BETWEEN_LOOKS = Duration.ofSeconds(2);
  private static final Duration BETWEEN_STEPS = Duration.ofMillis(500);

  /// Longer than the workers need for what is on its way, shorter than a caller's patience.
  private static final Duration LONGEST_WAIT = Duration.ofMinutes(1);

  private static final Duration SILENCE = Duration.ofSeconds(60);

  private static final int LOOK_AT = 50_000;

  private final ConnectAsPart database;
  private final ProducerConfiguration configuration;
  private final Complaint complaint = new Complaint(LOG);

  SweepRequests(ConnectAsPart database, ProducerConfiguration configuration) {
    this.database = database;
    this.configuration = configuration;
  }

  private record Break(int number, String walPosition, String snapshot) {}

  /// Looks for breaks until it is interrupted.
  @Override
  public void run() {
    try {
      while (true) {
        try {
          sweepWhatIsDue();
          complaint.end();
        } catch (SQLException | ExecutionException | TimeoutException | KafkaException e) {
          complaint.of("A sweep after a break of the capture waits: " + KafkaFault.words(e));
        } catch (RuntimeException e) {
          LOG.error("The sweep met a fault and begins again", e);
        }
        Thread.sleep(BETWEEN_LOOKS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void sweepWhatIsDue()
      throws SQLException, ExecutionException, TimeoutException, InterruptedException {
    // a server that has vanished must not hold it for ever
    try (var connection = database.connect("pgoffload producer sweep", SILENCE)) {
      var due = next(connection);
      while (due.isPresent()) {
        sweep(connection, due.get());
        due = next(connection);
      }
    }
  }

  private void sweep(Connection database, Break due)
      throws SQLException, ExecutionException, TimeoutException, InterruptedException {
    LOG.info(
        "Break {} of the capture: looking for requests that were lost, once what was captured is"
            + " worked off",
        due.number);
    while (!slotIsPast(database, due.walPosition)) {
      Thread.sleep(BETWEEN_STEPS);
    }
    boolean workedOff;
    try (var admin = Admin.create(configuration.kafka())) {
      long deadline = System.nanoTime() + LONGEST_WAIT.toNanos();
      boolean repeated = isRepeated(database, deadline);
      workedOff = isWorkedOff(admin, deadline) && repeated;
    }
    long sent = sendAgain(database, due);
    Query.execute(database, "select pgoffload.end_sweep(?, ?, ?)", due.number, sent, workedOff);
    LOG.info(
        "Break {} of the capture: {} requests that have no result are sent again{}",
        due.number,
        sent,
        workedOff ? "" : ", those among them that the workers have not come to yet");
  }

  /// Waits until consumers that went back after a fail-over have come again to where they were:
  /// until then what they have committed says nothing.
  ///
  /// @return whether they had, by the deadline
  private boolean isRepeated(Connection database, long deadline)
      throws SQLException, InterruptedException {
    var topics = new ArrayList<>(configuration.topics().requests());
    topics.add(configuration.topics().results());
    while (!Query.row(
        database,
        "select pgoffload.is_repeated(?)",
        row -> row.getBoolean(1),
        Query.array("text", topics))) {
      if (System.nanoTime() - deadline > 0) {
        return false;
      }
      Thread.sleep(BETWEEN_STEPS);
    }
    return true;
  }

  /// Waits until what is on the topics now has been worked off.
  ///
  /// @return whether it was, by the deadline
  private boolean isWorkedOff(Admin admin, long deadline)
      throws ExecutionException, TimeoutException, InterruptedException {
    var topics = configuration.topics();
    boolean all = true;
    for (var topic :
        // in this order: what the workers of the first two have handed over is on the third by then
        topics.requests()) {
      all &= isCommitted(admin, topic, topics.workersOf(topic), deadline);
    }
    return isCommitted(admin, topics.results(), topics.writeBack(), deadline) && all;
  }

  private static Optional<Break> next(Connection database) throws SQLException {
    return Query.first(
        database,
        "select number, wal_position::text, snapshot::text from pgoffload.next_sweep()",
        row -> {
          int number = row.getInt(1);
          return row.wasNull() ? null : new Break(number, row.getString(2), row.getString(3));
        });
  }

  private boolean slotIsPast(Connection database, String walPosition) throws SQLException {
    return Query.row(
        database,
        "select pgoffload.slot_is_past(?, ?::pg_catalog.pg_lsn)",
        row -> row.getBoolean(1),
        configuration.slot(),
        walPosition);
  }

  /// Waits until a group has committed what is on a topic now. What nobody has ever read, such as
  /// background SQL where no worker runs any, holds up nothing else.
  private static boolean isCommitted(Admin admin, String topic, String group, long deadline)
      throws ExecutionException, TimeoutException, InterruptedException {
    var missing = ends(admin, topic);
    while (!missing.isEmpty()) {
      var committed = TopicOffsets.committed(admin, group);
      committed.forEach((partition, offset) -> {
        var end = missing.get(partition);
        if (end != null && offset >= end) {
          missing.remove(partition);
        }
      });
      if (committed.isEmpty() && !hasMembers(admin, group)) {
        LOG.warn("Nobody reads {}: what is on it may be sent a second time", topic);
        return false;
      }
      if (!missing.isEmpty()) {
        if (System.nanoTime() - deadline >= 0) {
          return false;
        }
        LOG.debug("Group {} has not finished {} yet", group, missing);
        Thread.sleep(BETWEEN_STEPS);
      }
    }
    return true;
  }

  private static boolean hasMembers(Admin admin, String group)
      throws ExecutionException, TimeoutException, InterruptedException {
    try {
      var described =
          TopicOffsets.get(admin.describeConsumerGroups(List.of(group)).all()).get(group);
      return described != null && !described.members().isEmpty();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof GroupIdNotFoundException) {
        return false;
      }
      throw e;
    }
  }

  /// Of the partitions that hold anything.
  private static Map<TopicPartition, Long> ends(Admin admin, String topic)
      throws ExecutionException, TimeoutException, InterruptedException {
    var partitions = TopicOffsets.partitions(admin, topic);
    var first = TopicOffsets.of(admin, partitions, OffsetSpec.earliest());
    var ends = new HashMap<>(TopicOffsets.of(admin, partitions, OffsetSpec.latest()));
    ends.entrySet().removeIf(end -> end.getValue().equals(first.get(end.getKey())));
    return ends;
  }

  private static long sendAgain(Connection database, Break due) throws SQLException {
    long total = 0;
    long last = -1;
    while (true) {
      try (var statement =
          database.prepareStatement(
              "select sent, last_id from pgoffload.send_again(?, ?::pg_catalog.pg_snapshot, ?, ?)")) {
        statement.setInt(1, due.number);
        statement.setString(2, due.snapshot);
        statement.setLong(3, last);
        statement.setInt(4, LOOK_AT);
        var row = statement.executeQuery();
        row.next();
        total += row.getInt(1);
        last = row.getLong(2);
        if (row.wasNull()) {
          return total;
        }
      }
    }
  }
}
