package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/// Where an inserted request's time goes: watches both topics and the notifications beside the
/// pipeline. Observing costs the machine something, so this is apart from [MeasureLatency].
final class MeasureHops {
  private MeasureHops() {}

  /// Blocks until this many requests, one after another, were followed on their way.
  static List<BenchmarkResult.Hop> run(BenchmarkTarget target, int samples)
      throws SQLException, InterruptedException {
    var committed = new ArrayList<Double>();
    var captured = new ArrayList<Double>();
    var executed = new ArrayList<Double>();
    var written = new ArrayList<Double>();
    var seen = new ArrayList<Double>();
    var whole = new ArrayList<Double>();
    try (var requests = ObserveTopic.open(target, target.topics().llmRequests());
        var results = ObserveTopic.open(target, target.topics().results());
        var notifications = ObserveNotifications.open(target.application());
        var connection = target.application().connect("pgoffload bench")) {
      var caller = new InsertAndWait(connection);
      for (int i = 0; i < samples; i++) {
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
    return List.of(
        new BenchmarkResult.Hop("INSERT until it returns", Median.of(committed)),
        new BenchmarkResult.Hop("until the request is on its topic", Median.of(captured)),
        new BenchmarkResult.Hop("until the result is on its topic", Median.of(executed)),
        new BenchmarkResult.Hop("until llm_done tells of its row", Median.of(written)),
        new BenchmarkResult.Hop("until llm_wait returns", Median.of(seen)),
        new BenchmarkResult.Hop("all of it, while observed", Median.of(whole)));
  }

  private static double millis(long nanoseconds) {
    return nanoseconds / 1e6;
  }
}
