package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Target;

/// What 16 callers of one way get, and what their calls cost.
///
/// @param processor the target of a call's processor time
record MeasureManyCallers(String name, String calls, Call.Way way, Target processor)
    implements Measure {
  private static final int CALLERS = 16;

  @Override
  public String what() {
    return calls + "; " + CALLERS + " callers";
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    try (var callers = Callers.open(target, way, CALLERS)) {
      var load = callers.callFor(Duration.ofSeconds(plan.seconds()));
      var latency = load.latency(name);
      var figures = new ArrayList<Figure>();
      figures.add(load.spent().rate("rate", load.count()));
      figures.add(Figure.of("p50", latency.milliseconds().p50(), "ms"));
      figures.addAll(load.spent().processorFor("call", load.count(), processor));
      return new Measurement(
          name, what(), figures, List.of(latency), List.of(load.throughput(name)));
    }
  }
}
