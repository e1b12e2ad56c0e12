package org.pgoffload.dev.benchmarks;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;

/// How fast many rows of one statement are answered. The same INSERT into a table without trigger
/// comes first in each round: what the database alone takes for it.
final class MeasureThroughput {
  private static final String ROWS =
      " (prompt) select 'Summarize document ' || i from generate_series(1, ?) i";

  /// Short against the seconds that a round takes; the query reads one index entry.
  private static final Duration PAUSE = Duration.ofMillis(20);

  private static final Duration PATIENCE_WITHOUT_PROGRESS = Duration.ofSeconds(60);

  private MeasureThroughput() {}

  /// One round. No other request may be made meanwhile: all ids that the sequence gives during the
  /// statement count as the statement's.
  static BenchmarkResult.Round run(BenchmarkTarget target, int rows)
      throws SQLException, InterruptedException {
    try (var application = target.application().connect("pgoffload bench");
        var admin = target.admin().connect("pgoffload bench");
        var highest =
            admin.prepareStatement("select coalesce(max(id), 0) from pgoffload.llm_result");
        var count =
            admin.prepareStatement(
                "select count(*) from pgoffload.llm_result where id > ? and id <= ?")) {
      var plain = insert(application, PlainTables.REQUEST, rows);
      long first = lastId(admin);
      long begun = System.nanoTime();
      var inserted = insert(application, "llm_request", rows);
      long last = lastId(admin);
      if (last - first != rows) {
        throw new BenchmarkException(
            "somebody else asked meanwhile: "
                + (last - first)
                + " ids were given instead of "
                + rows);
      }
      awaitAnswers(highest, count, first, last);
      return new BenchmarkResult.Round(
          rows, seconds(plain), seconds(inserted), seconds(System.nanoTime() - begun));
    }
  }

  private static long insert(Connection connection, String table, int rows) throws SQLException {
    try (var statement = connection.prepareStatement("insert into " + table + ROWS)) {
      statement.setInt(1, rows);
      long begun = System.nanoTime();
      statement.executeUpdate();
      return System.nanoTime() - begun;
    }
  }

  private static long lastId(Connection admin) throws SQLException {
    try (var statement = admin.createStatement();
        var row = statement.executeQuery("select last_value from pgoffload.request_id")) {
      row.next();
      return row.getLong(1);
    }
  }

  /// Counting is not free for the database that is measured, so it begins only once the highest
  /// answered id says that the end is near: partitions are not answered in step.
  private static void awaitAnswers(
      PreparedStatement highest, PreparedStatement count, long first, long last)
      throws SQLException, InterruptedException {
    long nearTheEnd = last - (last - first) / 50;
    long lastProgress = System.nanoTime();
    long before = 0;
    while (true) {
      long now = number(highest);
      if (now >= nearTheEnd) {
        count.setLong(1, first);
        count.setLong(2, last);
        long answered = number(count);
        if (answered == last - first) {
          return;
        }
        now += answered;
      }
      if (now != before) {
        before = now;
        lastProgress = System.nanoTime();
      } else if (System.nanoTime() - lastProgress > PATIENCE_WITHOUT_PROGRESS.toNanos()) {
        throw new BenchmarkException(
            "no answer came for " + PATIENCE_WITHOUT_PROGRESS.toSeconds() + " s");
      }
      Thread.sleep(PAUSE);
    }
  }

  private static long number(PreparedStatement query) throws SQLException {
    try (var row = query.executeQuery()) {
      row.next();
      return row.getLong(1);
    }
  }

  private static double seconds(long nanoseconds) {
    return nanoseconds / 1e9;
  }
}
