package org.pgoffload.dev.benchmarks;

/// How much is measured.
///
/// @param samples of each latency, one caller at a time
/// @param warmUp samples before them that do not count
/// @param rows inserted in one statement in each round of the throughput
/// @param rounds of the throughput
public record BenchmarkPlan(int samples, int warmUp, int rows, int rounds) {
  public BenchmarkPlan {
    if (samples < 1 || rows < 1 || rounds < 1) {
      throw new IllegalArgumentException("samples, rows and rounds must be at least 1");
    }
    if (warmUp < 0) {
      throw new IllegalArgumentException("the warm-up must not be negative");
    }
  }
}
