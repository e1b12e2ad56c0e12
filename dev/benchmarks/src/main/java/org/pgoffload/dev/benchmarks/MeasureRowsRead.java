package org.pgoffload.dev.benchmarks;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;

/// How fast many rows are read through a task, beside the same rows without one.
record MeasureRowsRead() implements Measure {
  /// Keeps the reader's memory small.
  private static final int FETCH = 10_000;

  @Override
  public String name() {
    return "rows";
  }

  @Override
  public String what() {
    return "rows (int, text of 32) of a task, read by its launcher, against the plain query";
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    int rows = plan.rowsRead();
    var query = "select i, md5(i::text) from generate_series(1, " + rows + ") i";
    try (var connection = target.application().connect("pgoffload bench")) {
      // or the driver would fetch all rows at once
      connection.setAutoCommit(false);
      var plain = Spent.on(target, () -> read(connection, query, rows));
      var task =
          Spent.on(
              target,
              () ->
                  read(
                      connection,
                      "select r.* from pg_background_launch('"
                          + query
                          + "', 0, null) h, lateral pg_background_result(h.pid, h.cookie) as r (i int, t text)",
                      rows));
      connection.commit();
      var figures = new ArrayList<Figure>();
      figures.add(task.rate("rate", rows));
      figures.add(plain.rate("rate of the plain query", rows));
      figures.add(Figure.of("against the plain query", plain.seconds() / task.seconds(), "x"));
      figures.addAll(task.processorFor("1,000 rows", rows / 1000.0, null));
      return new Measurement(name(), what(), figures, List.of(), List.of());
    }
  }

  private static void read(Connection connection, String query, int expected) throws SQLException {
    try (var statement = connection.createStatement()) {
      statement.setFetchSize(FETCH);
      int read = 0;
      try (var rows = statement.executeQuery(query)) {
        while (rows.next()) {
          read++;
        }
      }
      if (read != expected) {
        throw new BenchmarkException("of " + expected + " rows, " + read + " came");
      }
    }
  }
}
