package org.pgoffload.dev.benchmarks;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;

/// The floor: the commits and the hops that any way through Kafka and back consists of, without
/// what is between them. One sample is two commits and two hops, one after the other.
///
/// Not safe to share between threads.
final class MeasureFloor implements AutoCloseable {
  private final KafkaHop hop;
  private final Connection connection;
  private final PreparedStatement insertRequest;
  private final PreparedStatement insertResult;
  private final Histogram inserts = histogram();
  private final Histogram hops = histogram();
  private final Histogram results = histogram();
  private final Histogram sums = histogram();

  private MeasureFloor(BenchmarkTarget target, KafkaHop hop) throws SQLException {
    this.hop = hop;
    this.connection = target.application().connect("pgoffload bench");
    this.insertRequest =
        connection.prepareStatement(
            "insert into " + PlainTables.REQUEST + " (prompt) values (?) returning id");
    this.insertResult =
        connection.prepareStatement(
            "insert into "
                + PlainTables.RESULT
                + " (id, kind, status, requested_by_oid, answer, finish_reason, provider, model,"
                + " input_tokens, cached_tokens, output_tokens, reasoning_tokens, attempts, queued_ms,"
                + " ran_ms, worker, finished_at)"
                + " values (?, 'ask', 'succeeded', 10, ?, 'stop', 'echo', 'echo-no-model', 0, 0, 0, 0, 1,"
                + " 1.0, 1.0, 'bench', now())");
  }

  /// The tables have to be there; closing leaves them, and removes the scratch topic.
  static MeasureFloor open(BenchmarkTarget target) throws SQLException {
    var hop = KafkaHop.open(target);
    try {
      return new MeasureFloor(target, hop);
    } catch (SQLException e) {
      hop.close();
      throw e;
    }
  }

  void sample() throws SQLException {
    long begun = System.nanoTime();
    insertRequest.setString(1, MeasureLatency.PROMPT);
    long id;
    try (var row = insertRequest.executeQuery()) {
      row.next();
      id = row.getLong(1);
    }
    long inserted = System.nanoTime();
    hop.run();
    hop.run();
    long hopped = System.nanoTime();
    insertResult.setLong(1, id);
    insertResult.setString(2, MeasureLatency.PROMPT);
    insertResult.executeUpdate();
    long ended = System.nanoTime();
    inserts.recordValue(inserted - begun);
    hops.recordValue(hopped - inserted);
    results.recordValue(ended - hopped);
    sums.recordValue(ended - begun);
  }

  /// Forgets the samples so far.
  void reset() {
    inserts.reset();
    hops.reset();
    results.reset();
    sums.reset();
  }

  BenchmarkResult.Floor result() {
    return new BenchmarkResult.Floor(
        Percentiles.of(inserts),
        Percentiles.of(hops),
        Percentiles.of(results),
        Percentiles.of(sums));
  }

  @Override
  public void close() throws SQLException {
    hop.close();
    connection.close();
  }

  /// Up to an hour, with three digits.
  static Histogram histogram() {
    return new Histogram(TimeUnit.HOURS.toNanos(1), 3);
  }
}
