package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.util.List;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Measurement.Latency;

/// The floor alone: what the other latencies are compared with.
record MeasureSteps() implements Measure {
  @Override
  public String name() {
    return "floor";
  }

  @Override
  public String what() {
    return "the steps that any way through Kafka and back has: two commits, two hops";
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan) throws SQLException {
    try (var floor = MeasureFloor.open(target)) {
      for (int i = 0; i < plan.samples(); i++) {
        floor.sample();
      }
      return new Measurement(
          name(), what(), floor.figures(), List.of(new Latency(name(), floor.sum())), List.of());
    }
  }
}
