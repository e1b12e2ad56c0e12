package org.pgoffload.dev.benchmarks;

import static org.pgoffload.dev.benchmarks.report.Target.atMost;

import java.util.List;

/// All rows of the bench. What fills tables comes last: the server cleans up after it for a while.
final class Measures {
  static final List<Measure> ALL =
      List.of(
          new MeasureStart(),
          new MeasureSteps(),
          new MeasureOneCaller(
              "insert-and-wait",
              "INSERT, then llm_wait; one caller",
              Call::insertAndWait,
              new MeasureOneCaller.Targets(atMost(1.5), atMost(4), null)),
          new MeasureOneCaller(
              "llm-ask",
              "llm_ask; one caller",
              Call::ask,
              new MeasureOneCaller.Targets(atMost(1.5), atMost(4), atMost(5))),
          new MeasureOneCaller(
              "launch",
              "pg_background_launch, read in the same statement; one caller",
              Call::launch,
              new MeasureOneCaller.Targets(atMost(2), null, null)),
          new MeasureIdle(),
          new MeasureManyCallers("llm-ask-16", "llm_ask", Call::ask, atMost(3)),
          new MeasureManyCallers(
              "launch-16", "pg_background_launch and read", Call::launch, atMost(5)),
          new MeasureFirstLaunch(),
          new MeasureWaiting(),
          new MeasureInFlight(),
          new MeasureScaleOut(),
          new MeasureHops(),
          MeasureOneStatement.launches(),
          MeasureOneStatement.prompts(),
          MeasureOneStatement.map(),
          new MeasureMapOfSlowModel(),
          new MeasureMaintained(),
          new MeasureRowsRead(),
          new MeasureInsert(),
          new MeasureGrowth(),
          new MeasureBacklog());

  private Measures() {}
}
