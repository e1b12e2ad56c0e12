package org.pgoffload.dev.benchmarks.report;

import java.util.List;

/// The figures of one row.
///
/// @param name the row's
/// @param what it measures, in words
/// @param figures in the order in which they are shown
/// @param latencies how long calls took
/// @param throughputs how fast calls ended in the course of time
public record Measurement(
    String name,
    String what,
    List<Figure> figures,
    List<Latency> latencies,
    List<Throughput> throughputs) {
  public Measurement {
    figures = List.copyOf(figures);
    latencies = List.copyOf(latencies);
    throughputs = List.copyOf(throughputs);
  }

  /// How long calls took.
  ///
  /// @param name what was called
  /// @param milliseconds their distribution
  public record Latency(String name, Percentiles milliseconds) {}

  /// How fast calls ended in the course of time.
  ///
  /// @param name what was called
  /// @param interval in seconds
  /// @param rates calls a second, in each interval
  public record Throughput(String name, double interval, List<Double> rates) {
    public Throughput {
      rates = List.copyOf(rates);
    }
  }
}
