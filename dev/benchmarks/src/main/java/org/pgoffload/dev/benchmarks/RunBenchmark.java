package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.pgoffload.dev.benchmarks.processor.ProcessorTime;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.platform.ConfigurationException;

/// Takes the chosen measures of an installation, one after another, and removes what it made for
/// them (a schema, a topic). The requests it asks stay, as any requests do.
public final class RunBenchmark {
  private static final int CALLERS_WARMING_UP = 16;

  /// In seconds.
  private static final int STRETCH = 5;

  /// In seconds, where nobody tells how much the JVMs compile.
  private static final int WARM_UP_UNTOLD = 10;

  /// Of the JVMs' processor time, to call them warm.
  private static final double COMPILERS_REST = 0.1;

  private RunBenchmark() {}

  /// Blocks until everything is measured: about eight minutes with the defaults of the command.
  ///
  /// @param say is told each step
  /// @throws BenchmarkException if the installation does not answer, or a row that was chosen by
  ///   its name cannot be measured on it
  /// @throws SQLException if the database refuses something
  public static BenchmarkResult run(
      BenchmarkTarget target, BenchmarkPlan plan, Consumer<String> say)
      throws SQLException, InterruptedException {
    target.hindranceOfProcessorTime().ifPresent(say);
    var measures = measurable(target, plan, say);
    var rows = new ArrayList<Measurement>();
    try (var _ = PlainTables.create(target)) {
      warmUp(target, plan, say);
      for (var measure : measures) {
        say.accept(measure.name() + ": " + measure.what());
        rows.add(measure.run(target, plan));
      }
    }
    return new BenchmarkResult(plan, rows);
  }

  private static List<Measure> measurable(
      BenchmarkTarget target, BenchmarkPlan plan, Consumer<String> say) {
    var measurable = new ArrayList<Measure>();
    for (var measure : plan.measures()) {
      var hindrance = measure.hindrance(target);
      if (hindrance.isEmpty()) {
        measurable.add(measure);
      } else if (plan.only().isEmpty()) {
        say.accept(measure.name() + " is left out");
      } else {
        throw new ConfigurationException(
            List.of("--only " + measure.name() + " cannot be measured: " + hindrance.get()));
      }
    }
    return measurable;
  }

  /// Calls until the compilers rest. A new JVM interprets its code, and compiles it while it runs:
  /// for minutes, a third of its processor time and more.
  private static void warmUp(BenchmarkTarget target, BenchmarkPlan plan, Consumer<String> say)
      throws SQLException, InterruptedException {
    if (plan.warmUp() == 0) {
      return;
    }
    boolean told = target.tellsProcessorTime();
    int most = told ? plan.warmUp() : Math.min(WARM_UP_UNTOLD, plan.warmUp());
    say.accept("warming up: at most " + most + " s of llm_ask, and of pg_background_launch");
    for (var way : List.<Call.Way>of(Call::ask, Call::launch)) {
      try (var callers = Callers.open(target, way, CALLERS_WARMING_UP)) {
        double share = 1;
        for (int warmed = 0; warmed < most && share > COMPILERS_REST; warmed += STRETCH) {
          share = compiling(told, callers, Duration.ofSeconds(Math.min(STRETCH, most - warmed)));
        }
      }
    }
  }

  /// Has them call, and returns the compilers' share of the JVMs' processor time; 1 where it is not
  /// told.
  private static double compiling(boolean told, Callers callers, Duration stretch)
      throws SQLException, InterruptedException {
    var before = told ? ProcessorTime.ofCompilers() : Duration.ZERO;
    var used = callers.callFor(stretch).spent().processor();
    if (used == null) {
      return 1;
    }
    // a compiler's thread that ends takes its time along
    double compilers = Math.max(0, ProcessorTime.ofCompilers().minus(before).toNanos());
    return compilers / used.of(ProcessorTime.JVM).plus(used.of(ProcessorTime.KAFKA)).toNanos();
  }
}
