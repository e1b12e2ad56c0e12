package org.pgoffload.dev.benchmarks;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Percentiles;

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
    insertRequest.setString(1, Call.PROMPT);
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
    insertResult.setString(2, Call.PROMPT);
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

  /// The distribution of the whole.
  Percentiles sum() {
    return Percentiles.of(sums);
  }

  /// The medians of the whole and of its steps, in milliseconds.
  List<Figure> figures() {
    return List.of(
        median("p50", sums),
        median("of a plain INSERT and its commit", inserts),
        median("of two bare Kafka hops", hops),
        median("of a result's row and its commit", results));
  }

  private static Figure median(String name, Histogram nanoseconds) {
    return Figure.of(name, Percentiles.of(nanoseconds).p50(), "ms");
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
