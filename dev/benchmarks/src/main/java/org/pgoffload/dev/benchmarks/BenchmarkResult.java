package org.pgoffload.dev.benchmarks;

import java.util.List;
import org.pgoffload.dev.benchmarks.report.Measurement;

/// The figures of one run.
///
/// @param plan how much was measured
/// @param rows what was measured, in its order
public record BenchmarkResult(BenchmarkPlan plan, List<Measurement> rows) {
  public BenchmarkResult {
    rows = List.copyOf(rows);
  }
}
