package org.pgoffload.dev.benchmarks.report;

import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// One measured number.
///
/// @param name what was measured
/// @param value in the unit
/// @param unit such as `ms`; `x` for a multiple
/// @param target what it has to reach, if anything
/// @param parts the shares that it is the sum of, by the installation's parts; often empty
public record Figure(
    String name, double value, String unit, @Nullable Target target, Map<String, Double> parts) {
  public Figure {
    parts = new TreeMap<>(parts);
  }

  public static Figure of(String name, double value, String unit) {
    return new Figure(name, value, unit, null, Map.of());
  }

  /// The same figure with a target.
  public Figure to(@Nullable Target required) {
    return new Figure(name, value, unit, required, parts);
  }

  /// Whether the target is reached; null without a target.
  public @Nullable Boolean reached() {
    return target == null ? null : target.isReachedBy(value);
  }
}
