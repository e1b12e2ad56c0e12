package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Measurement.Latency;
import org.pgoffload.dev.benchmarks.report.Percentiles;
import org.pgoffload.dev.benchmarks.report.Target;

/// What many old requests change: the latency of new ones with them against that before, and how
/// long the removal of a day of them takes.
///
/// Minutes and gigabytes: it is measured only where it is named.
record MeasureGrowth() implements Measure {
  private static final int RANGES = 10;

  @Override
  public String name() {
    return "growth";
  }

  @Override
  public String what() {
    return "one caller before and after millions of old requests in " + RANGES + " ranges of ids";
  }

  @Override
  public boolean onlyByName() {
    return true;
  }

  @Override
  public Optional<String> hindrance(BenchmarkTarget target) {
    return target.hindranceOfOwn();
  }

  private record Way(String name, Call.Way call) {}

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    var own = Objects.requireNonNull(target.own(), "hindrance() was not asked");
    var ways =
        List.of(
            new Way("llm_ask", Call::ask),
            new Way("INSERT and llm_wait", Call::insertAndWait),
            new Way("launch", Call::launch));
    var figures = new ArrayList<Figure>();
    var latencies = new ArrayList<Latency>();
    var before = new ArrayList<Percentiles>();
    for (var way : ways) {
      before.add(sample(target, plan, way.call()));
      latencies.add(new Latency(way.name() + ", empty tables", before.getLast()));
    }
    var filled =
        Spent.on(target, () -> OldRequests.add(target, RANGES, plan.oldRequests() / RANGES));
    figures.add(filled.rate("old requests written", plan.oldRequests()));
    for (int i = 0; i < ways.size(); i++) {
      var name = ways.get(i).name();
      var after = sample(target, plan, ways.get(i).call());
      latencies.add(new Latency(name + ", with old requests", after));
      figures.add(Figure.of("p50 of " + name + ", empty tables", before.get(i).p50(), "ms"));
      figures.add(Figure.of("with old requests", after.p50(), "ms"));
      figures.add(
          Figure.of("with against without", after.p50() / before.get(i).p50(), "x")
              .to(Target.atMost(1.2)));
    }
    figures.add(Figure.of("removal of the oldest range", removal(target, own).seconds(), "s"));
    return new Measurement(name(), what(), figures, latencies, List.of());
  }

  private static Percentiles sample(BenchmarkTarget target, BenchmarkPlan plan, Call.Way way)
      throws SQLException {
    var durations = MeasureFloor.histogram();
    try (var connection = target.application().connect("pgoffload bench")) {
      var call = way.on(connection);
      for (int i = -Callers.FIRST_CALLS; i < plan.samples(); i++) {
        if (i == 0) {
          durations.reset();
        }
        long begun = System.nanoTime();
        call.make();
        durations.recordValue(System.nanoTime() - begun);
      }
    }
    return Percentiles.of(durations);
  }

  /// The oldest range, and that alone, becomes older than the retention.
  private static Spent removal(BenchmarkTarget target, OwnInstallation own)
      throws SQLException, InterruptedException {
    try (var admin = target.admin().connect("pgoffload bench");
        var statement = admin.createStatement()) {
      statement.execute(
          """
          update pgoffload.id_range set begun_at = begun_at - interval '10000 days'
          where number <= (select min(r.number) + 1 from pgoffload.id_range r)
          """);
      long ranges = OldRequests.number(admin, "select count(*) from pgoffload.id_range");
      var spent = Spent.on(target, own.removeOldRequests());
      if (OldRequests.number(admin, "select count(*) from pgoffload.id_range") != ranges - 1) {
        throw new BenchmarkException("the oldest range of ids was not removed");
      }
      return spent;
    }
  }
}
