package org.pgoffload.dev.benchmarks.report;

import org.HdrHistogram.Histogram;

/// A distribution of durations, in milliseconds.
///
/// @param count how many were measured
/// @param p50 half of the durations were at most this long
/// @param p75 three of four were at most this long
/// @param p90 9 of 10 were at most this long
/// @param p95 19 of 20 were at most this long
/// @param p99 99 of 100 were at most this long
/// @param p999 999 of 1,000 were at most this long
/// @param max the longest
public record Percentiles(
    long count,
    double p50,
    double p75,
    double p90,
    double p95,
    double p99,
    double p999,
    double max) {
  private static final double NANOS_PER_MILLI = 1e6;

  /// The distribution of durations in nanoseconds.
  public static Percentiles of(Histogram nanoseconds) {
    return new Percentiles(
        nanoseconds.getTotalCount(),
        millis(nanoseconds, 50),
        millis(nanoseconds, 75),
        millis(nanoseconds, 90),
        millis(nanoseconds, 95),
        millis(nanoseconds, 99),
        millis(nanoseconds, 99.9),
        nanoseconds.getMaxValue() / NANOS_PER_MILLI);
  }

  private static double millis(Histogram nanoseconds, double percentile) {
    return nanoseconds.getValueAtPercentile(percentile) / NANOS_PER_MILLI;
  }
}
