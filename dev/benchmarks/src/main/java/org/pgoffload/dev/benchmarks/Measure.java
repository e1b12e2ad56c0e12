package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.util.Optional;
import org.pgoffload.dev.benchmarks.report.Measurement;

/// One row of the bench: what it measures, and what has to be reached.
interface Measure {
  /// By which it is chosen.
  String name();

  /// What it measures, in words.
  String what();

  /// Measures it, on an installation that does nothing else meanwhile.
  ///
  /// @throws BenchmarkException if the installation does not answer
  Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException;

  /// Whether it takes so long that it is measured only where it is named.
  default boolean onlyByName() {
    return false;
  }

  /// Why it cannot be measured on an installation; mostly nothing hinders it.
  default Optional<String> hindrance(BenchmarkTarget target) {
    return Optional.empty();
  }
}
