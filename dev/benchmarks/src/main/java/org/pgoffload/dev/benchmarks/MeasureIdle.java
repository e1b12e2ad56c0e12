package org.pgoffload.dev.benchmarks;

import static org.pgoffload.dev.benchmarks.processor.ProcessorTime.JVM;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Target;

/// What an installation costs while nothing is asked.
record MeasureIdle() implements Measure {
  private static final Duration SPAN = Duration.ofSeconds(10);

  @Override
  public String name() {
    return "idle";
  }

  @Override
  public String what() {
    return "nothing is asked, for " + SPAN.toSeconds() + " s";
  }

  @Override
  public Optional<String> hindrance(BenchmarkTarget target) {
    return target.hindranceOfProcessorTime();
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    var spent = Spent.on(target, () -> Thread.sleep(SPAN));
    var used = Objects.requireNonNull(spent.processor(), "hindrance() was not asked");
    return new Measurement(
        name(),
        what(),
        List.of(
            Figure.of("producer, worker, results, maintenance", cores(used.of(JVM), spent), "cores")
                .to(Target.atMost(0.12)),
            Figure.of("all processes", cores(used.total(), spent), "cores")),
        List.of(),
        List.of());
  }

  private static double cores(Duration used, Spent spent) {
    return used.toNanos() / 1e9 / spent.seconds();
  }
}
