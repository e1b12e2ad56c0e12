package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Median;
import org.pgoffload.dev.benchmarks.report.Target;

/// What a new session's first launch costs against its second: the session plans everything anew.
record MeasureFirstLaunch() implements Measure {
  private static final int SESSIONS = 20;

  @Override
  public String name() {
    return "first-launch";
  }

  @Override
  public String what() {
    return "pg_background_launch, read; the first of a new session against the second";
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan) throws SQLException {
    var firsts = new ArrayList<Double>();
    var seconds = new ArrayList<Double>();
    for (int session = 0; session < SESSIONS; session++) {
      try (var connection = target.application().connect("pgoffload bench")) {
        var call = Call.launch(connection);
        firsts.add(millis(call));
        seconds.add(millis(call));
      }
    }
    double first = Median.of(firsts);
    double second = Median.of(seconds);
    return new Measurement(
        name(),
        what(),
        List.of(
            Figure.of("the first", first, "ms"),
            Figure.of("the second", second, "ms"),
            Figure.of("the first against the second", first / second, "x").to(Target.atMost(3))),
        List.of(),
        List.of());
  }

  private static double millis(Call call) throws SQLException {
    long begun = System.nanoTime();
    call.make();
    return (System.nanoTime() - begun) / 1e6;
  }
}
