package org.pgoffload.dev.benchmarks;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.pgoffload.dev.benchmarks.Measurement.Throughput;

/// How fast many rows of one statement are answered, and what they cost. The same INSERT into a
/// table without trigger comes first in each round: what the database alone takes for it.
record MeasureInsert() implements Measure {
  private static final String ROWS =
      " (prompt) select 'Summarize document ' || i from generate_series(1, ?) i";

  /// Short against the seconds that a round takes; the query reads one index entry.
  private static final Duration PAUSE = Duration.ofMillis(20);

  /// Seconds between two looks at the number of answers, which cost more.
  private static final double INTERVAL = 1;

  private static final Duration PATIENCE_WITHOUT_PROGRESS = Duration.ofSeconds(60);

  @Override
  public String name() {
    return "insert";
  }

  @Override
  public String what() {
    return "many rows inserted in one statement, until all are answered";
  }

  /// What one round took.
  ///
  /// @param plain seconds of the same INSERT into a table without trigger
  /// @param insert seconds of the INSERT, commit included
  /// @param whole from the INSERT's begin until all were answered
  private record Round(double plain, double insert, Spent whole) {}

  /// No other request may be made meanwhile: all ids that the sequence gives during the statement
  /// count as the statement's.
  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    var rounds = new ArrayList<Round>();
    var rates = new ArrayList<Double>();
    for (int round = 0; round < plan.rounds(); round++) {
      rates.clear();
      rounds.add(round(target, plan.rows(), rates));
    }
    var spent = Spent.sum(rounds.stream().map(Round::whole).toList());
    double rows = (double) plan.rows() * plan.rounds();
    double insert = rounds.stream().mapToDouble(Round::insert).sum();
    double plain = rounds.stream().mapToDouble(Round::plain).sum();
    var figures = new ArrayList<Figure>();
    figures.add(spent.rate("rate, from the statement's begin", rows));
    figures.add(Figure.of("rate, from its commit", rows / (spent.seconds() - insert), "/s"));
    figures.add(Figure.of("rate of the INSERT itself", rows / insert, "/s"));
    figures.add(Figure.of("rate of the same INSERT without trigger", rows / plain, "/s"));
    figures.addAll(spent.processorFor("row", rows, Target.atMost(0.2)));
    return new Measurement(
        name(), what(), figures, List.of(), List.of(new Throughput(name(), INTERVAL, rates)));
  }

  private static Round round(BenchmarkTarget target, int rows, List<Double> rates)
      throws SQLException, InterruptedException {
    try (var application = target.application().connect("pgoffload bench");
        var admin = target.admin().connect("pgoffload bench");
        var highest =
            admin.prepareStatement("select coalesce(max(id), 0) from pgoffload.llm_result");
        var count =
            admin.prepareStatement(
                "select count(*) from pgoffload.llm_result where id > ? and id <= ?")) {
      double plain = insert(application, PlainTables.REQUEST, rows);
      var inserted = new double[1];
      var whole =
          Spent.on(
              target,
              () -> {
                long first = lastId(admin);
                inserted[0] = insert(application, "llm_request", rows);
                long last = lastId(admin);
                if (last - first != rows) {
                  throw new BenchmarkException(
                      "somebody else asked meanwhile: "
                          + (last - first)
                          + " ids were given instead of "
                          + rows);
                }
                count.setLong(1, first);
                count.setLong(2, last);
                awaitAnswers(highest, count, last, rows, rates);
              });
      return new Round(plain, inserted[0], whole);
    }
  }

  private static double insert(Connection connection, String table, int rows) throws SQLException {
    try (var statement = connection.prepareStatement("insert into " + table + ROWS)) {
      statement.setInt(1, rows);
      long begun = System.nanoTime();
      statement.executeUpdate();
      return (System.nanoTime() - begun) / 1e9;
    }
  }

  private static long lastId(Connection admin) throws SQLException {
    try (var statement = admin.createStatement();
        var row = statement.executeQuery("select last_value from pgoffload.request_id")) {
      row.next();
      return row.getLong(1);
    }
  }

  /// Counting is not free for the database that is measured. Besides once in each interval, it is
  /// done only when the highest answered id says that the end is near: partitions are not answered
  /// in step.
  private static void awaitAnswers(
      PreparedStatement highest, PreparedStatement count, long last, int rows, List<Double> rates)
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
}
