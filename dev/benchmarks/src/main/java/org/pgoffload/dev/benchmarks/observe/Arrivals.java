package org.pgoffload.dev.benchmarks.observe;

import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;

/// When each request's sign was first seen at one place. Safe to share between threads.
public final class Arrivals {
  private final Map<String, CompletableFuture<Long>> times = new ConcurrentHashMap<>();

  /// Notes the arrival; later sightings change nothing.
  void arrived(String id) {
    future(id).complete(System.nanoTime());
  }

  /// Waits until it is seen.
  ///
  /// @return the time of [System#nanoTime()]
  /// @throws BenchmarkException if it is not within 10 s
  public long of(long id) throws InterruptedException {
    try {
      return future(Long.toString(id)).get(10, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      throw new BenchmarkException("a sign of request " + id + " was never seen", e);
    }
  }

  private CompletableFuture<Long> future(String id) {
    return times.computeIfAbsent(id, _ -> new CompletableFuture<>());
  }
}
