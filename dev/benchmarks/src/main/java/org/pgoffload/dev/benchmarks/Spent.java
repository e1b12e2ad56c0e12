package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.benchmarks.processor.ProcessorTime;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Target;

/// What a stretch of work took.
///
/// @param seconds of the clock
/// @param processor the processor time of the installation; null where it cannot be told
record Spent(double seconds, @Nullable ProcessorTime processor) {
  /// Runs the work, and measures it.
  static Spent on(BenchmarkTarget target, OwnInstallation.Work work)
      throws SQLException, InterruptedException {
    var before = target.tellsProcessorTime() ? ProcessorTime.now() : null;
    long begun = System.nanoTime();
    work.run();
    double seconds = (System.nanoTime() - begun) / 1e9;
    return new Spent(seconds, before == null ? null : ProcessorTime.now().since(before));
  }

  /// All of the stretches together.
  static Spent sum(List<Spent> stretches) {
    var sum = stretches.getFirst();
    for (var next : stretches.subList(1, stretches.size())) {
      sum =
          new Spent(
              sum.seconds + next.seconds,
              sum.processor == null || next.processor == null
                  ? null
                  : sum.processor.and(next.processor));
    }
    return sum;
  }

  /// How many a second.
  Figure rate(String name, double count) {
    return Figure.of(name, count / seconds, "/s");
  }

  /// The processor time of each of something; no figure where it cannot be told.
  List<Figure> processorFor(String unit, double count, @Nullable Target required) {
    if (processor == null) {
      return List.of();
    }
    var parts = new HashMap<String, Double>();
    processor.parts().forEach((part, time) -> parts.put(part, millis(time) / count));
    return List.of(
        new Figure(
            "processor for each " + unit,
            millis(processor.total()) / count,
            "ms",
            required,
            parts));
  }

  private static double millis(Duration time) {
    return time.toNanos() / 1e6;
  }
}
