package org.pgoffload.dev.benchmarks;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.HdrHistogram.Histogram;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;
import org.pgoffload.dev.benchmarks.report.Measurement.Latency;
import org.pgoffload.dev.benchmarks.report.Measurement.Throughput;
import org.pgoffload.dev.benchmarks.report.Percentiles;

/// Callers of one way in, each with a connection and a thread of its own, which call again as soon
/// as they are answered.
///
/// Not safe to share between threads.
final class Callers implements AutoCloseable {
  /// Until the session's statements have the plans that they keep.
  static final int FIRST_CALLS = 12;

  private static final double INTERVAL = 0.5;

  private final BenchmarkTarget target;
  private final List<Connection> connections = new ArrayList<>();
  private final List<Call> calls = new ArrayList<>();
  private final ExecutorService threads;

  private Callers(BenchmarkTarget target, int callers) {
    this.target = target;
    this.threads =
        Executors.newFixedThreadPool(
            callers, Thread.ofPlatform().name("bench-caller-", 0).factory());
  }

  /// Opens the sessions, and has each make its first calls.
  static Callers open(BenchmarkTarget target, Call.Way way, int callers)
      throws SQLException, InterruptedException {
    var opened = new Callers(target, callers);
    try {
      for (int i = 0; i < callers; i++) {
        var connection = target.application().connect("pgoffload bench");
        opened.connections.add(connection);
        opened.calls.add(way.on(connection));
      }
      opened.together((call, _) -> {
        for (int i = 0; i < FIRST_CALLS; i++) {
          call.make();
        }
      });
      return opened;
    } catch (SQLException | InterruptedException | RuntimeException e) {
      opened.close();
      throw e;
    }
  }

  /// What callers have done.
  ///
  /// @param spent the time
  /// @param durations of the calls, in nanoseconds
  /// @param rates calls a second, in each interval
  record Load(Spent spent, Histogram durations, List<Double> rates) {
    double count() {
      return (double) durations.getTotalCount();
    }

    Latency latency(String name) {
      return new Latency(name, Percentiles.of(durations));
    }

    Throughput throughput(String name) {
      return new Throughput(name, INTERVAL, rates);
    }
  }

  /// Has all of them call for a while; a call that has begun is ended.
  ///
  /// @throws BenchmarkException if a call fails
  Load callFor(Duration duration) throws SQLException, InterruptedException {
    int intervals = (int) (duration.toMillis() / (INTERVAL * 1000)) + 1;
    var durations = new ArrayList<Histogram>();
    var ended = new ArrayList<long[]>();
    for (int i = 0; i < calls.size(); i++) {
      durations.add(MeasureFloor.histogram());
      ended.add(new long[intervals]);
    }
    var spent =
        Spent.on(
            target,
            () -> {
              long begun = System.nanoTime();
              together((call, caller) -> {
                while (System.nanoTime() - begun < duration.toNanos()) {
                  long called = System.nanoTime();
                  call.make();
                  long answered = System.nanoTime();
                  durations.get(caller).recordValue(answered - called);
                  int interval = (int) ((answered - begun) / (INTERVAL * 1e9));
                  ended.get(caller)[Math.min(interval, intervals - 1)]++;
                }
              });
            });
    var all = MeasureFloor.histogram();
    durations.forEach(all::add);
    var sums = new long[intervals];
    for (var each : ended) {
      for (int i = 0; i < intervals; i++) {
        sums[i] += each[i];
      }
    }
    // the last interval is not whole
    return new Load(
        spent,
        all,
        Arrays.stream(sums, 0, intervals - 1).mapToObj(count -> count / INTERVAL).toList());
  }

  private interface CallerWork {
    void run(Call call, int caller) throws SQLException;
  }

  private void together(CallerWork work) throws SQLException, InterruptedException {
    var running = new ArrayList<Callable<Boolean>>();
    for (int i = 0; i < calls.size(); i++) {
      int caller = i;
      running.add(() -> {
        work.run(calls.get(caller), caller);
        return true;
      });
    }
    for (var each : threads.invokeAll(running)) {
      try {
        each.get();
      } catch (ExecutionException e) {
        throw new BenchmarkException("a caller failed: " + e.getMessage(), e);
      }
    }
  }

  @Override
  public void close() throws SQLException {
    threads.shutdownNow();
    for (var connection : connections) {
      connection.close();
    }
  }
}
