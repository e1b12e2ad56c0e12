package org.pgoffload.dev.benchmarks;

import java.lang.management.ManagementFactory;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.pgoffload.dev.benchmarks.model.SlowModel;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Target;

/// What a backlog for one slow model costs the callers of another, and the memory of the process
/// that has the worker. The backlog stays: nothing is measured after it.
record MeasureBacklog() implements Measure {
  private static final Duration PATIENCE = Duration.ofMinutes(5);
  private static final Duration BETWEEN_LOOKS = Duration.ofMillis(500);

  /// For the requests that wait, and what is known of each.
  private static final double MOST_MEGABYTES = 64;

  @Override
  public String name() {
    return "backlog";
  }

  @Override
  public String what() {
    return "llm_ask while twice --rows requests wait for a slow model";
  }

  @Override
  public Optional<String> hindrance(BenchmarkTarget target) {
    return target.hindranceOfOwn();
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    var model = Objects.requireNonNull(target.own(), "hindrance() was not asked").model();
    model.hold();
    int count = 2 * plan.rows();
    var span = Duration.ofSeconds(plan.seconds());
    try (var caller = Callers.open(target, Call::ask, 1)) {
      var idle = caller.callFor(span).latency("idle");
      double before = heapMegabytes();
      insert(target, count);
      awaitUnfinished(target, count);
      model.awaitCalls(1, PATIENCE);
      double during = heapMegabytes();
      var loaded = caller.callFor(span).latency("with a backlog");
      return new Measurement(
          name(),
          what(),
          List.of(
              Figure.of("requests that wait", count, ""),
              Figure.of("p50 without them", idle.milliseconds().p50(), "ms"),
              Figure.of("p50 with them", loaded.milliseconds().p50(), "ms"),
              Figure.of(
                      "p50 with them against without",
                      loaded.milliseconds().p50() / idle.milliseconds().p50(),
                      "x")
                  .to(Target.atMost(1.5)),
              Figure.of("heap without them", before, "MB"),
              Figure.of("heap with them, more than without", during - before, "MB")
                  .to(Target.atMost(MOST_MEGABYTES))),
          List.of(idle, loaded),
          List.of());
    }
  }

  private static void insert(BenchmarkTarget target, int count) throws SQLException {
    try (var connection = target.application().connect("pgoffload bench");
        var statement =
            connection.prepareStatement(
                "insert into llm_request (prompt, provider, timeout)"
                    + " select ? || g, ?, '2 hours' from generate_series(1, ?) g")) {
      statement.setString(1, Call.PROMPT);
      statement.setString(2, SlowModel.PROVIDER);
      statement.setInt(3, count);
      statement.executeUpdate();
    }
  }

  /// As the workers say with their leases.
  private static void awaitUnfinished(BenchmarkTarget target, int count)
      throws SQLException, InterruptedException {
    long until = System.nanoTime() + PATIENCE.toNanos();
    try (var connection = target.admin().connect("pgoffload bench");
        var statement =
            connection.prepareStatement("select sum(unfinished) from llm_worker where alive")) {
      while (System.nanoTime() - until < 0) {
        try (var row = statement.executeQuery()) {
          if (row.next() && row.getLong(1) >= count) {
            return;
          }
        }
        Thread.sleep(BETWEEN_LOOKS);
      }
    }
    throw new BenchmarkException("the worker has not read " + count + " requests in time");
  }

  /// What is left after a collection.
  private static double heapMegabytes() {
    System.gc();
    return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed() / 1e6;
  }
}
