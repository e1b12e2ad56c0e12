package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.pgoffload.dev.benchmarks.model.SlowModel;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Target;

/// The rate of `llm_map` over the rows of a query, against that of `llm_ask_many` with as many
/// prompts for the same model: in turns, since the calls that are made at a time become more with
/// each answer.
record MeasureMapOfSlowModel() implements Measure {
  private static final int ROWS = 10_000;
  private static final Duration LATENCY = Duration.ofMillis(100);

  private static final String MANY =
      question(
          "llm_ask_many((select array_agg('Summarize document ' || i) from generate_series(1, %d) i)",
          "");
  private static final String MAP =
      question(
          "llm_map('select i from generate_series(1, %d) i', 'Summarize document {i}'",
          " as (i integer, answer text)");

  private static String question(String call, String columns) {
    return "select count(answer) from "
        + call.formatted(ROWS)
        + ", model => '"
        + SlowModel.model(LATENCY)
        + "', provider => '"
        + SlowModel.PROVIDER
        + "', timeout => '5 min')"
        + columns;
  }

  @Override
  public String name() {
    return "llm-map-slow";
  }

  @Override
  public String what() {
    return "llm_map over 10,000 rows, calls of 100 ms, and llm_ask_many of as many prompts";
  }

  @Override
  public Optional<String> hindrance(BenchmarkTarget target) {
    return target.hindranceOfOwn();
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    var many = new ArrayList<Spent>();
    var mapped = new ArrayList<Spent>();
    ask(target, MANY);
    for (int round = 0; round < plan.rounds(); round++) {
      many.add(Spent.on(target, () -> ask(target, MANY)));
      mapped.add(Spent.on(target, () -> ask(target, MAP)));
    }
    double count = (double) ROWS * plan.rounds();
    var ofMany = Spent.sum(many);
    var ofMap = Spent.sum(mapped);
    var figures = new ArrayList<Figure>();
    figures.add(ofMap.rate("rate", count));
    figures.add(ofMany.rate("rate of llm_ask_many", count));
    figures.add(
        Figure.of("against llm_ask_many", ofMany.seconds() / ofMap.seconds(), "x")
            .to(Target.atLeast(0.8)));
    figures.addAll(ofMap.processorFor("row", count, null));
    return new Measurement(name(), what(), figures, List.of(), List.of());
  }

  private static void ask(BenchmarkTarget target, String sql) throws SQLException {
    try (var connection = target.application().connect("pgoffload bench");
        var statement = connection.createStatement();
        var row = statement.executeQuery(sql)) {
      row.next();
      if (row.getLong(1) != ROWS) {
        throw new BenchmarkException("of " + ROWS + " rows, " + row.getLong(1) + " were answered");
      }
    }
  }
}
