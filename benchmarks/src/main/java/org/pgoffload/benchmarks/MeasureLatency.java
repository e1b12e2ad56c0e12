package org.pgoffload.benchmarks;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import org.HdrHistogram.Histogram;

/// What one caller waits, by both ways in: INSERT and `llm_wait`, and `llm_ask`.
///
/// Not safe to share between threads.
final class MeasureLatency implements AutoCloseable {
  static final String PROMPT = "Why is the sky blue?";

  private final Connection connection;
  private final InsertAndWait insertAndWait;
  private final PreparedStatement ask;
  private final Histogram waits = MeasureFloor.histogram();
  private final Histogram asks = MeasureFloor.histogram();

  private MeasureLatency(Connection connection) throws SQLException {
    this.connection = connection;
    this.insertAndWait = new InsertAndWait(connection);
    this.ask = connection.prepareStatement("select llm_ask(?, timeout => '60 s')");
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

  /// Forgets the samples so far.
  void reset() {
    waits.reset();
    asks.reset();
  }

  BenchmarkResult.Latency result() {
    return new BenchmarkResult.Latency(Percentiles.of(waits), Percentiles.of(asks));
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
