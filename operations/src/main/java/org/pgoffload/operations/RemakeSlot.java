package org.pgoffload.operations;

import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.Query;
import org.pgoffload.schema.InstallException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Makes the slot anew after an accepted promotion to a server that has none, as before PostgreSQL
/// 17, and records the break of the capture. Until then nothing is captured, as `llm_health` says.
///
/// Runs on a thread of its own until it is interrupted.
final class RemakeSlot implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(RemakeSlot.class);

  private static final Duration BETWEEN_LOOKS = Duration.ofSeconds(5);
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  /// The server that is promoted is found only once the one that has vanished is given up.
  private static final Duration SILENCE = Duration.ofSeconds(10);

  /// The slot's name, if it is to be made. Another reason than a promotion is an administrator's.
  private static final String MISSING =
      """
      select s.value
      from pgoffload.setting s,
           (select t.timeline, t.reason from pgoffload.server_timeline t order by t.number desc limit 1) present
      where s.name = 'slot'
        and present.reason in ('promoted', 'accepted') and present.timeline = pgoffload.current_timeline()
        and not pgoffload.is_copy()
        and not exists (select from pg_catalog.pg_replication_slots r where r.slot_name = s.value)
      """;

  private final ConnectAsPart database;
  private final Complaint complaint = new Complaint(LOG);

  RemakeSlot(ConnectAsPart database) {
    this.database = database;
  }

  @Override
  public void run() {
    try {
      while (true) {
        try {
          once().ifPresent(made -> LOG.info("After a promotion: {}", made));
          complaint.end();
        } catch (SQLException e) {
          LOG.debug("The slot cannot be looked at", e);
        } catch (InstallException e) {
          complaint.of(
              "After a promotion the slot is missing, and is tried again: " + e.getMessage());
        }
        Thread.sleep(BETWEEN_LOOKS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Makes the slot if it is missing after a promotion. Where that fails the break stays planned,
  /// and immediate requests are refused instead of lost, until another try.
  ///
  /// @return a line saying what changed, or empty
  Optional<String> once() throws SQLException {
    Optional<String> missing;
    try (var connection = database.connect("pgoffload maintain", SILENCE)) {
      missing = Query.first(connection, MISSING, row -> row.getString(1));
    }
    if (missing.isEmpty()) {
      return Optional.empty();
    }
    RecordCaptureBreak.plan(database, "slot_created");
    var made = InstallSlot.run(database, missing.get(), PATIENCE, line -> LOG.info("{}", line));
    RecordCaptureBreak.complete(database);
    return made;
  }
}
