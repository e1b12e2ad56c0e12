package org.pgoffload.dev.benchmarks;

import org.HdrHistogram.Histogram;

/// A distribution of durations, in milliseconds.
///
/// @param count how many were measured
/// @param p50 half of the durations were at most this long
/// @param p95 19 of 20 were at most this long
/// @param p99 99 of 100 were at most this long
/// @param max the longest
public record Percentiles(long count, double p50, double p95, double p99, double max) {
  private static final double NANOS_PER_MILLI = 1e6;

  /// The distribution of durations in nanoseconds.
  static Percentiles of(Histogram nanoseconds) {
    return new Percentiles(
        nanoseconds.getTotalCount(),
        nanoseconds.getValueAtPercentile(50) / NANOS_PER_MILLI,
        nanoseconds.getValueAtPercentile(95) / NANOS_PER_MILLI,
        nanoseconds.getValueAtPercentile(99) / NANOS_PER_MILLI,
        nanoseconds.getMaxValue() / NANOS_PER_MILLI);
  }
}
