package org.pgoffload.dev.benchmarks.report;

import java.util.Collection;

/// The middle of a few values, which one disturbed round does not move.
public final class Median {
  private Median() {}

  /// The middle value, or the mean of the two in the middle.
  ///
  /// @throws IllegalArgumentException if there is none
  public static double of(Collection<Double> values) {
    if (values.isEmpty()) {
      throw new IllegalArgumentException("nothing has no median");
    }
    var sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}
