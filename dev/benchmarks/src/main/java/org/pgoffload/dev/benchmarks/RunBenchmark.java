package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Locale;
import java.util.function.Consumer;

/// Runs all measures against an installation, one after another, and removes what it made for them
/// (a schema, a topic). The requests it asks stay, as any requests do.
public final class RunBenchmark {
  /// Enough for medians.
  private static final int MOST_OBSERVED = 300;

  private static final int LAUNCHES = 1000;

  private RunBenchmark() {}

  /// Blocks until everything is measured: about a minute with the defaults of the command.
  ///
  /// @param say is told each step
  /// @throws BenchmarkException if the installation does not answer
  /// @throws SQLException if the database refuses something
  public static BenchmarkResult run(
      BenchmarkTarget target, BenchmarkPlan plan, Consumer<String> say)
      throws SQLException, InterruptedException {
    try (var _ = PlainTables.create(target)) {
      BenchmarkResult.Floor floor;
      BenchmarkResult.Latency latency;
      double launchRate;
      try (var measureFloor = MeasureFloor.open(target);
          var measureLatency = MeasureLatency.open(target)) {
        say.accept("warming up: " + plan.warmUp() + " samples");
        sample(measureFloor, measureLatency, plan.warmUp());
        measureFloor.reset();
        measureLatency.reset();
        say.accept("latency: " + plan.samples() + " samples of the floor and of each way in");
        sample(measureFloor, measureLatency, plan.samples());
        floor = measureFloor.result();
        latency = measureLatency.result();
        var rates = new ArrayList<Double>();
        for (int round = 0; round < plan.rounds(); round++) {
          rates.add(measureLatency.launchRate(LAUNCHES));
        }
        launchRate = Median.of(rates);
      }
      int observed = Math.min(MOST_OBSERVED, plan.samples());
      say.accept("where the time goes: " + observed + " samples");
      var hops = MeasureHops.run(target, observed);
      var rounds = new ArrayList<BenchmarkResult.Round>();
      for (int round = 1; round <= plan.rounds(); round++) {
        var measured = MeasureThroughput.run(target, plan.rows());
        say.accept(
            String.format(
                Locale.ROOT,
                "throughput, round %d of %d: %,.0f rows/s",
                round,
                plan.rounds(),
                measured.rate()));
        rounds.add(measured);
      }
      return new BenchmarkResult(
          plan, floor, latency, hops, new BenchmarkResult.Throughput(rounds), launchRate);
    }
  }

  /// In turns, so that noise hits all alike.
  private static void sample(MeasureFloor floor, MeasureLatency latency, int samples)
      throws SQLException {
    for (int i = 0; i < samples; i++) {
      floor.sample();
      latency.sampleInsertAndWait();
      latency.sampleAsk();
      latency.sampleLaunch();
    }
  }
}
