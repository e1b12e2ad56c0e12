package org.pgoffload.dev.benchmarks;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Target;

/// How long an installation takes to start, servers and all, until its first answer.
record MeasureStart() implements Measure {
  @Override
  public String name() {
    return "start";
  }

  @Override
  public String what() {
    return "from the command's start to the first answer";
  }

  @Override
  public Optional<String> hindrance(BenchmarkTarget target) {
    return target.hindranceOfOwn();
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan) {
    var own = Objects.requireNonNull(target.own(), "hindrance() was not asked");
    return new Measurement(
        name(),
        what(),
        List.of(
            Figure.of("to the first answer", own.start().toMillis() / 1e3, "s")
                .to(Target.atMost(10))),
        List.of(),
        List.of());
  }
}
