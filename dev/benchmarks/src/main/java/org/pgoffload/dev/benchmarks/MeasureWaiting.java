package org.pgoffload.dev.benchmarks;

import static org.pgoffload.dev.benchmarks.processor.ProcessorTime.POSTGRESQL;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.pgoffload.dev.benchmarks.model.SlowModel;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Target;

/// What callers cost the database server while they wait for a slow model: its processor time with
/// them, without what it takes when nobody waits.
record MeasureWaiting() implements Measure {
  private static final int CALLERS = 64;

  /// For the calls to begin.
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  @Override
  public String name() {
    return "waiting";
  }

  @Override
  public String what() {
    return CALLERS + " callers of llm_ask that wait for a slow model";
  }

  @Override
  public Optional<String> hindrance(BenchmarkTarget target) {
    return target.hindranceOfProcessorTime();
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    var model = Objects.requireNonNull(target.own(), "hindrance() was not asked").model();
    var span = Duration.ofSeconds(plan.seconds());
    var connections = new ArrayList<Connection>();
    try (var threads =
        Executors.newThreadPerTaskExecutor(
            Thread.ofVirtual().name("bench-waiting-", 0).factory())) {
      for (int i = 0; i < CALLERS; i++) {
        connections.add(target.application().connect("pgoffload bench"));
      }
      double alone = serverMillis(target, span);
      var waiting = new ArrayList<Future<Boolean>>();
      for (var connection : connections) {
        waiting.add(threads.submit(asking(connection)));
      }
      double waited;
      try {
        model.awaitCalls(CALLERS, PATIENCE);
        waited = serverMillis(target, span);
      } finally {
        model.answer();
      }
      for (var each : waiting) {
        each.get();
      }
      return new Measurement(
          name(),
          what(),
          List.of(
              Figure.of(
                      "server's processor for each second and caller",
                      (waited - alone) / (CALLERS * (double) plan.seconds()),
                      "ms")
                  .to(Target.atMost(0.5))),
          List.of(),
          List.of());
    } catch (ExecutionException e) {
      throw new BenchmarkException("a caller failed: " + e.getMessage(), e);
    } finally {
      for (var connection : connections) {
        connection.close();
      }
    }
  }

  private static Callable<Boolean> asking(Connection connection) {
    return () -> {
      try (var statement =
          connection.prepareStatement("select llm_ask(?, provider => ?, timeout => '5 min')")) {
        statement.setString(1, Call.PROMPT);
        statement.setString(2, SlowModel.PROVIDER);
        try (var row = statement.executeQuery()) {
          return row.next();
        }
      }
    };
  }

  private static double serverMillis(BenchmarkTarget target, Duration span)
      throws SQLException, InterruptedException {
    var spent = Spent.on(target, () -> Thread.sleep(span));
    return Objects.requireNonNull(spent.processor()).of(POSTGRESQL).toMillis();
  }
}
