package org.pgoffload.dev.benchmarks;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;

/// Many requests of one INSERT, and the wait for their answers.
///
/// No other request may be made meanwhile: all ids that the sequence gives during the statement
/// count as the statement's.
///
/// Not safe to share between threads.
final class InsertedRequests implements AutoCloseable {
  /// Seconds between two looks at the number of answers, which costs more than the highest id.
  static final double INTERVAL = 1;

  /// Short against the seconds that it takes; the query reads one index entry.
  private static final Duration PAUSE = Duration.ofMillis(20);

  private static final Duration PATIENCE_WITHOUT_PROGRESS = Duration.ofSeconds(60);

  private final Connection application;
  private final Connection admin;
  private final PreparedStatement highest;
  private final PreparedStatement count;

  private InsertedRequests(BenchmarkTarget target) throws SQLException {
    this.application = target.application().connect("pgoffload bench");
    this.admin = target.admin().connect("pgoffload bench");
    this.highest = admin.prepareStatement("select coalesce(max(id), 0) from pgoffload.llm_result");
    this.count =
        admin.prepareStatement(
            "select count(*) from pgoffload.llm_result where id > ? and id <= ?");
  }

  static InsertedRequests open(BenchmarkTarget target) throws SQLException {
    return new InsertedRequests(target);
  }

  /// Inserts so many rows of prompts.
  ///
  /// @param table and its columns besides the prompt, such as `llm_request (provider, prompt)`
  /// @param values of these columns, as SQL with a comma after each
  /// @return the seconds that it took, commit included
  double insert(String table, String values, int rows) throws SQLException {
    try (var statement =
        application.prepareStatement(
            "insert into "
                + table
                + " select "
                + values
                + " 'Summarize document ' || i from generate_series(1, ?) i")) {
      statement.setInt(1, rows);
      long begun = System.nanoTime();
      statement.executeUpdate();
      return (System.nanoTime() - begun) / 1e9;
    }
  }

  /// As [#insert], and waits until all are answered.
  ///
  /// @param rates takes the answers a second, in each interval
  /// @return the seconds of the INSERT alone
  double insertAndAwait(String table, String values, int rows, List<Double> rates)
      throws SQLException, InterruptedException {
    long first = lastId();
    double inserted = insert(table, values, rows);
    long last = lastId();
    if (last - first != rows) {
      throw new BenchmarkException(
          "somebody else asked meanwhile: "
              + (last - first)
              + " ids were given instead of "
              + rows);
    }
    count.setLong(1, first);
    count.setLong(2, last);
    awaitAnswers(last, rows, rates);
    return inserted;
  }

  /// What [#insertAndAwait] took.
  ///
  /// @param insert seconds of the INSERT, commit included
  /// @param whole from the INSERT's begin until all were answered
  record Answered(double insert, Spent whole) {
    /// Before the commit there is nothing to be answered.
    Spent fromCommit() {
      return new Spent(whole.seconds() - insert, whole.processor());
    }
  }

  /// As [#insertAndAwait], and measures it.
  Answered measure(
      BenchmarkTarget target, String table, String values, int rows, List<Double> rates)
      throws SQLException, InterruptedException {
    var insert = new double[1];
    var whole = Spent.on(target, () -> insert[0] = insertAndAwait(table, values, rows, rates));
    return new Answered(insert[0], whole);
  }

  private long lastId() throws SQLException {
    return OldRequests.number(admin, "select last_value from pgoffload.request_id");
  }

  /// Counting is not free for the database that is measured. Besides once in each interval, it is
  /// done only when the highest answered id says that the end is near: partitions are not answered
  /// in step.
  private void awaitAnswers(long last, int rows, List<Double> rates)
      throws SQLException, InterruptedException {
    long nearTheEnd = last - rows / 50;
    long lastProgress = System.nanoTime();
    long lastLook = lastProgress;
    long answeredAtLook = 0;
    long before = 0;
    while (before < rows) {
      Thread.sleep(PAUSE);
      long now = System.nanoTime();
      double elapsed = (now - lastLook) / 1e9;
      if (elapsed < INTERVAL && number(highest) < nearTheEnd) {
        continue;
      }
      long answered = number(count);
      if (elapsed >= INTERVAL) {
        rates.add((answered - answeredAtLook) / elapsed);
        lastLook = now;
        answeredAtLook = answered;
      }
      if (answered != before) {
        before = answered;
        lastProgress = now;
      } else if (now - lastProgress > PATIENCE_WITHOUT_PROGRESS.toNanos()) {
        throw new BenchmarkException(
            "no answer came for " + PATIENCE_WITHOUT_PROGRESS.toSeconds() + " s");
      }
    }
  }

  private static long number(PreparedStatement query) throws SQLException {
    try (var row = query.executeQuery()) {
      row.next();
      return row.getLong(1);
    }
  }

  @Override
  public void close() throws SQLException {
    application.close();
    admin.close();
  }
}
