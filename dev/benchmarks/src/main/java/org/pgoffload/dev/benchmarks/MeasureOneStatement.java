package org.pgoffload.dev.benchmarks;

import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Target;

/// What the requests of one statement cost, and how fast they are answered.
///
/// @param unit the word for one of them
/// @param requests how many the statement asks
/// @param sql asks as many as its parameter says, and returns the number of answers
/// @param processor the target of one's processor time
record MeasureOneStatement(
    String name, String what, String unit, int requests, String sql, Target processor)
    implements Measure {
  static Measure launches() {
    return new MeasureOneStatement(
        "launch-1000",
        "1,000 launches in one statement, read in it",
        "launch",
        1000,
        """
        with launched as materialized (
          select array_agg(pg_background_launch('select 1', 0, null)) as handles from generate_series(1, ?))
        select count(n) from launched l, unnest(l.handles) h, lateral pg_background_result(h.pid, h.cookie) as (n int)
        """,
        Target.atMost(5));
  }

  static Measure prompts() {
    return new MeasureOneStatement(
        "llm-ask-many",
        "llm_ask_many of 5,000 prompts",
        "prompt",
        5000,
        """
        select count(answer) from llm_ask_many(
          (select array_agg('Summarize document ' || i) from generate_series(1, ?) i), timeout => '60 s')
        """,
        Target.atMost(0.6));
  }

  static Measure map() {
    return new MeasureOneStatement(
        "llm-map",
        "llm_map over 10,000 rows",
        "row",
        10_000,
        """
        select count(answer) from llm_map(
          'select i from generate_series(1, ' || ?::integer || ') i', 'Summarize document {i}', timeout => '60 s')
          as (i integer, answer text)
        """,
        Target.atMost(0.6));
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    var rounds = new ArrayList<Spent>();
    try (var connection = target.application().connect("pgoffload bench");
        var statement = connection.prepareStatement(sql)) {
      statement.setInt(1, requests);
      // its code is compiled meanwhile
      ask(statement);
      for (int round = 0; round < plan.rounds(); round++) {
        rounds.add(Spent.on(target, () -> ask(statement)));
      }
    }
    var spent = Spent.sum(rounds);
    double count = (double) requests * plan.rounds();
    var figures = new ArrayList<Figure>();
    figures.add(spent.rate("rate", count));
    figures.addAll(spent.processorFor(unit, count, processor));
    return new Measurement(name, what, figures, List.of(), List.of());
  }

  private void ask(PreparedStatement statement) throws SQLException {
    try (var row = statement.executeQuery()) {
      row.next();
      if (row.getLong(1) != requests) {
        throw new BenchmarkException(
            "of " + requests + " requests, " + row.getLong(1) + " were answered");
      }
    }
  }
}
