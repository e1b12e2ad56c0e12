package org.pgoffload.dev.benchmarks;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import org.HdrHistogram.Histogram;

/// Measures how long one caller waits, by each way in: INSERT and `llm_wait`, `llm_ask`, and
/// `pg_background_launch` read in the same statement.
///
/// Not safe to share between threads.
final class MeasureLatency implements AutoCloseable {
  static final String PROMPT = "Why is the sky blue?";

  private final Connection connection;
  private final InsertAndWait insertAndWait;
  private final PreparedStatement ask;
  private final PreparedStatement launch;
  private final PreparedStatement launchMany;
  private final Histogram waits = MeasureFloor.histogram();
  private final Histogram asks = MeasureFloor.histogram();
  private final Histogram launches = MeasureFloor.histogram();

  private MeasureLatency(Connection connection) throws SQLException {
    this.connection = connection;
    this.insertAndWait = new InsertAndWait(connection);
    this.ask = connection.prepareStatement("select llm_ask(?, timeout => '60 s')");
    // by a name that means the same whichever pg_background the installation follows
    this.launch =
        connection.prepareStatement(
            "select n from pg_background_launch('select 1', 0, null) h, lateral pg_background_result(h.pid, h.cookie) as (n int)");
    this.launchMany =
        connection.prepareStatement(
            """
            with launched as materialized (
              select array_agg(pg_background_launch('select 1', 0, null)) as handles from generate_series(1, ?))
            select sum(n) from launched l, unnest(l.handles) h, lateral pg_background_result(h.pid, h.cookie) as (n int)
            """);
  }

  static MeasureLatency open(BenchmarkTarget target) throws SQLException {
    return new MeasureLatency(target.application().connect("pgoffload bench"));
  }

  void sampleInsertAndWait() throws SQLException {
    long begun = System.nanoTime();
    insertAndWait.await(insertAndWait.insert());
    waits.recordValue(System.nanoTime() - begun);
  }

  void sampleAsk() throws SQLException {
    long begun = System.nanoTime();
    ask.setString(1, PROMPT);
    try (var row = ask.executeQuery()) {
      row.next();
    }
    asks.recordValue(System.nanoTime() - begun);
  }

  void sampleLaunch() throws SQLException {
    long begun = System.nanoTime();
    try (var row = launch.executeQuery()) {
      row.next();
    }
    launches.recordValue(System.nanoTime() - begun);
  }

  /// Launches so many tasks in one statement and reads them all in it.
  ///
  /// @return how many a second
  double launchRate(int tasks) throws SQLException {
    launchMany.setInt(1, tasks);
    long begun = System.nanoTime();
    try (var row = launchMany.executeQuery()) {
      row.next();
    }
    return tasks / ((System.nanoTime() - begun) / 1e9);
  }

  /// Forgets the samples so far.
  void reset() {
    waits.reset();
    asks.reset();
    launches.reset();
  }

  BenchmarkResult.Latency result() {
    return new BenchmarkResult.Latency(
        Percentiles.of(waits), Percentiles.of(asks), Percentiles.of(launches));
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
