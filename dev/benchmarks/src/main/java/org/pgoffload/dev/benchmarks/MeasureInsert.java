package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Measurement.Throughput;
import org.pgoffload.dev.benchmarks.report.Target;

/// How fast many rows of one statement are answered, and what they cost. The same INSERT into a
/// table without trigger comes first in each round: what the database alone takes for it.
record MeasureInsert() implements Measure {
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
  private record Round(double plain, InsertedRequests.Answered answered) {}

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    var rounds = new ArrayList<Round>();
    var rates = new ArrayList<Double>();
    // its code is compiled meanwhile
    round(target, plan.rows(), rates);
    for (int round = 0; round < plan.rounds(); round++) {
      rates.clear();
      rounds.add(round(target, plan.rows(), rates));
    }
    var spent = Spent.sum(rounds.stream().map(round -> round.answered.whole()).toList());
    double rows = (double) plan.rows() * plan.rounds();
    double insert = rounds.stream().mapToDouble(round -> round.answered.insert()).sum();
    double plain = rounds.stream().mapToDouble(Round::plain).sum();
    var figures = new ArrayList<Figure>();
    figures.add(spent.rate("rate, from the statement's begin", rows));
    figures.add(Figure.of("rate, from its commit", rows / (spent.seconds() - insert), "/s"));
    figures.add(Figure.of("rate of the INSERT itself", rows / insert, "/s"));
    figures.add(Figure.of("rate of the same INSERT without trigger", rows / plain, "/s"));
    figures.addAll(spent.processorFor("row", rows, Target.atMost(0.2)));
    // a slot that an interrupted run leaves would retain the WAL of somebody's server
    if (target.own() != null) {
      try (var pipeline = BarePipeline.open(target)) {
        // compiled
        pipeline.pipe(plan.rows());
        var bare = pipeline.pipe(plan.rows());
        figures.add(bare.rate("rate of a bare pipeline", plan.rows()));
        figures.add(
            Figure.of(
                    "from its commit, against the bare pipeline",
                    rows / (spent.seconds() - insert) / (plan.rows() / bare.seconds()),
                    "x")
                .to(Target.atLeast(0.7)));
      }
    }
    return new Measurement(
        name(),
        what(),
        figures,
        List.of(),
        List.of(new Throughput(name(), InsertedRequests.INTERVAL, rates)));
  }

  private static Round round(BenchmarkTarget target, int rows, List<Double> rates)
      throws SQLException, InterruptedException {
    try (var requests = InsertedRequests.open(target)) {
      double plain = requests.insert(PlainTables.REQUEST + " (prompt)", "", rows);
      return new Round(plain, requests.measure(target, "llm_request (prompt)", "", rows, rates));
    }
  }
}
