package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Measurement.Latency;
import org.pgoffload.dev.benchmarks.report.Percentiles;
import org.pgoffload.dev.benchmarks.report.Target;

/// How long one caller waits, against the floor, which is sampled in turns with it so that noise
/// hits both alike; then what the calls cost, by themselves.
record MeasureOneCaller(String name, String what, Call.Way way, Targets targets)
    implements Measure {
  /// Calls by which a session comes to the plans that it keeps.
  private static final int FIRST_SAMPLES = 20;

  /// @param p50 the median, as a multiple of the floor's
  /// @param p99 the 99th percentile, as a multiple of the floor's
  /// @param processor milliseconds for each call
  record Targets(@Nullable Target p50, @Nullable Target p99, @Nullable Target processor) {}

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    var durations = MeasureFloor.histogram();
    Percentiles floor;
    try (var measureFloor = MeasureFloor.open(target);
        var connection = target.application().connect("pgoffload bench")) {
      var call = way.on(connection);
      for (int i = -FIRST_SAMPLES; i < plan.samples(); i++) {
        if (i == 0) {
          measureFloor.reset();
          durations.reset();
        }
        measureFloor.sample();
        long begun = System.nanoTime();
        call.make();
        durations.recordValue(System.nanoTime() - begun);
      }
      floor = measureFloor.sum();
    }
    var measured = Percentiles.of(durations);
    var figures = new ArrayList<Figure>();
    figures.add(Figure.of("p50", measured.p50(), "ms"));
    figures.add(Figure.of("p99", measured.p99(), "ms"));
    figures.add(
        Figure.of("p50 against the floor's", measured.p50() / floor.p50(), "x").to(targets.p50()));
    figures.add(
        Figure.of("p99 against the floor's", measured.p99() / floor.p99(), "x").to(targets.p99()));
    try (var caller = Callers.open(target, way, 1)) {
      var load = caller.callFor(Duration.ofSeconds(plan.seconds()));
      figures.addAll(load.spent().processorFor("call", load.count(), targets.processor()));
    }
    return new Measurement(
        name,
        what,
        figures,
        List.of(new Latency(name, measured), new Latency(name + ", floor", floor)),
        List.of());
  }
}
