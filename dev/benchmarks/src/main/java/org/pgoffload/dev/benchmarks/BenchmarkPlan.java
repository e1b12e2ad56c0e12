package org.pgoffload.dev.benchmarks;

import java.util.List;
import java.util.stream.Collectors;

/// What is measured, and how much.
///
/// @param only the names of the rows; empty for all
/// @param samples of each latency, one caller at a time
/// @param warmUp seconds before everything, at most, of `llm_ask` and as many of
///   `pg_background_launch`
/// @param seconds for which callers are measured
/// @param rows inserted in one statement in each round
/// @param rounds of the measures of one statement
/// @param rowsRead through a task
/// @param oldRequests in the tables of a grown installation
public record BenchmarkPlan(
    List<String> only,
    int samples,
    int warmUp,
    int seconds,
    int rows,
    int rounds,
    int rowsRead,
    int oldRequests) {
  public BenchmarkPlan {
    only = List.copyOf(only);
    for (var name : only) {
      if (Measures.ALL.stream().noneMatch(measure -> measure.name().equals(name))) {
        throw new IllegalArgumentException(
            "there is no row "
                + name
                + "; the rows are "
                + Measures.ALL.stream().map(Measure::name).collect(Collectors.joining(", ")));
      }
    }
    if (samples < 1 || seconds < 1 || rows < 1 || rounds < 1 || rowsRead < 1 || oldRequests < 1) {
      throw new IllegalArgumentException(
          "samples, seconds, rows, rounds and old requests must be at least 1");
    }
    if (warmUp < 0) {
      throw new IllegalArgumentException("the warm-up must not be negative");
    }
  }

  /// The chosen measures, in the order in which they are taken.
  List<Measure> measures() {
    return Measures.ALL.stream()
        .filter(measure -> only.isEmpty() ? !measure.onlyByName() : only.contains(measure.name()))
        .toList();
  }

  /// One line for each row that there is: its name and what it measures.
  public static List<String> describe() {
    return Measures.ALL.stream()
        .map(measure ->
            String.format(
                "%-16s %s%s",
                measure.name(),
                measure.what(),
                measure.onlyByName() ? " (only if it is named)" : ""))
        .toList();
  }
}
