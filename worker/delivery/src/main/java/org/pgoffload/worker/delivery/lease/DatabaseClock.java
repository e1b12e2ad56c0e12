package org.pgoffload.worker.delivery.lease;

import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.time.OffsetDateTime;
import javax.sql.DataSource;
import org.pgoffload.platform.Query;

/// The database's clock, by which everything is timed: what it said last, and what has passed here
/// since. This machine's own clock may be off by hours.
///
/// Safe to share between threads.
public final class DatabaseClock implements InstantSource {
  private volatile Reading last;

  private record Reading(Instant said, long nanoTime) {}

  private DatabaseClock(Instant said) {
    last = new Reading(said, System.nanoTime());
  }

  /// Asks the database.
  ///
  /// @throws SQLException if it cannot be asked
  public static DatabaseClock ask(DataSource database) throws SQLException {
    return Query.row(
        database,
        "select clock_timestamp()",
        row -> new DatabaseClock(row.getObject(1, OffsetDateTime.class).toInstant()));
  }

  /// The database has said what time it is now. To be told now and then: what passes here may not
  /// count the time that the machine stood still.
  public void said(Instant now) {
    last = new Reading(now, System.nanoTime());
  }

  @Override
  public Instant instant() {
    var reading = last;
    return reading.said.plusNanos(System.nanoTime() - reading.nanoTime);
  }
}
