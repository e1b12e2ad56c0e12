package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.pgoffload.dev.benchmarks.observe.ObserveNotifications;
import org.pgoffload.dev.benchmarks.observe.ObserveTopic;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Median;

/// Where an inserted request's time goes: watches both topics and the notifications beside the
/// pipeline. Observing costs the machine something, so this is apart from [MeasureOneCaller].
record MeasureHops() implements Measure {
  /// Enough for medians.
  private static final int MOST_OBSERVED = 300;

  @Override
  public String name() {
    return "hops";
  }

  @Override
  public String what() {
    return "where the time of INSERT and llm_wait goes, while it is observed";
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    var committed = new ArrayList<Double>();
    var captured = new ArrayList<Double>();
    var executed = new ArrayList<Double>();
    var written = new ArrayList<Double>();
    var seen = new ArrayList<Double>();
    var whole = new ArrayList<Double>();
    try (var requests = ObserveTopic.open(target.consumer(), target.topics().llmRequests());
        var results = ObserveTopic.open(target.consumer(), target.topics().results());
        var notifications = ObserveNotifications.open(target.application());
        var connection = target.application().connect("pgoffload bench")) {
      var caller = new InsertAndWait(connection);
      for (int i = 0; i < Math.min(MOST_OBSERVED, plan.samples()); i++) {
        long begun = System.nanoTime();
        long id = caller.insert();
        long inserted = System.nanoTime();
        caller.await(id);
        long answered = System.nanoTime();
        long onRequests = requests.arrivals().of(id);
        long onResults = results.arrivals().of(id);
        long notified = notifications.arrivals().of(id);
        committed.add(millis(inserted - begun));
        captured.add(millis(onRequests - inserted));
        executed.add(millis(onResults - onRequests));
        written.add(millis(notified - onResults));
        seen.add(millis(answered - notified));
        whole.add(millis(answered - begun));
      }
    }
    return new Measurement(
        name(),
        what(),
        List.of(
            hop("INSERT until it returns", committed),
            hop("until the request is on its topic", captured),
            hop("until the result is on its topic", executed),
            hop("until llm_done tells of its row", written),
            hop("until llm_wait returns", seen),
            hop("all of it", whole)),
        List.of(),
        List.of());
  }

  /// Slightly negative if the second sign was usually seen first.
  private static Figure hop(String name, List<Double> milliseconds) {
    return Figure.of(name, Median.of(milliseconds), "ms");
  }

  private static double millis(long nanoseconds) {
    return nanoseconds / 1e6;
  }
}
