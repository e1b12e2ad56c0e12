package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.pgoffload.dev.benchmarks.model.SlowModel;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Target;

/// Whether more workers make more calls: each has few requests at a time, so that it is their
/// number and not the machine that limits the rate.
record MeasureScaleOut() implements Measure {
  private static final int AT_A_TIME = 60;
  private static final int CALLS_OF_EACH = 1_500;
  private static final Duration LATENCY = Duration.ofMillis(200);

  @Override
  public String name() {
    return "scale-out";
  }

  @Override
  public String what() {
    return "one, two and four workers of "
        + AT_A_TIME
        + " requests at a time, calls of "
        + LATENCY.toMillis()
        + " ms";
  }

  @Override
  public Optional<String> hindrance(BenchmarkTarget target) {
    return target.hindranceOfOwn();
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    double one = rate(target, 1);
    double two = rate(target, 2);
    double four = rate(target, 4);
    return new Measurement(
        name(),
        what(),
        List.of(
            Figure.of("rate of one", one, "/s"),
            Figure.of("rate of two", two, "/s"),
            Figure.of("rate of four", four, "/s"),
            Figure.of("two against one", two / one, "x").to(Target.atLeast(1.6)),
            Figure.of("four against one", four / one, "x").to(Target.atLeast(2.5))),
        List.of(),
        List.of());
  }

  private static double rate(BenchmarkTarget target, int workers)
      throws SQLException, InterruptedException {
    var own = Objects.requireNonNull(target.own(), "hindrance() was not asked");
    int calls = CALLS_OF_EACH * workers;
    own.workers().replace(workers, AT_A_TIME);
    try (var requests = InsertedRequests.open(target)) {
      // the partitions are shared out, and every worker has called
      var _ = spent(target, requests, AT_A_TIME * workers);
      return calls / spent(target, requests, calls).seconds();
    } finally {
      own.workers().restore();
    }
  }

  private static Spent spent(BenchmarkTarget target, InsertedRequests requests, int calls)
      throws SQLException, InterruptedException {
    return Spent.on(
        target,
        () ->
            requests.insertAndAwait(
                SlowModel.TABLE, SlowModel.columns(LATENCY), calls, new ArrayList<>()));
  }
}
