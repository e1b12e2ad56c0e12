package org.pgoffload.console.overview;

import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// How the requests that a role may see do, at a moment.
///
/// @param flow of the newest requests; null for a role that may have none
/// @param hops how long they take
/// @param failures of the newest requests, the most frequent first
/// @param usage of models, by minute; null for a role that may not ask models
/// @param workers empty for a role that may not see them
/// @param problems of the installation, with what to do
/// @param isLate whether a newer one is being read, and the database has not answered yet
public record Overview(
    Instant at,
    @Nullable Flow flow,
    List<Hop> hops,
    List<Failure> failures,
    @Nullable Usage usage,
    List<Worker> workers,
    List<HealthProblem> problems,
    boolean isLate) {
  /// The same, while the database keeps silent.
  Overview late() {
    return new Overview(at, flow, hops, failures, usage, workers, problems, true);
  }

  /// What the newest requests do.
  ///
  /// @param perSecond in the last minute
  /// @param oldest how long the oldest of those that wait has, in words; null where none waits
  /// @param ended in the last hour, of those that were looked at
  /// @param atLeast whether there are more than were looked at
  public record Flow(
      String perSecond,
      long queued,
      long running,
      @Nullable String oldest,
      long ended,
      long failed,
      long retried,
      boolean atLeast) {}

  /// Percentiles of one part of the way, in words.
  public record Hop(String name, String half, String most, String nearlyAll) {}

  /// An error code, and how often it came.
  public record Failure(String code, long count) {}

  /// The use of models in the last hour.
  ///
  /// @param cost in words; empty without prices
  /// @param requests a chart of ended and failed requests by minute, as JSON
  /// @param tokens a chart of tokens by minute, as JSON
  public record Usage(long sum, String cost, String requests, String tokens) {}

  /// A worker.
  public record Worker(
      String name, String provider, boolean alive, long inFlight, String waiting, String version) {}

  /// A check that is not well.
  public record HealthProblem(String check, String state, String detail, @Nullable String advice) {}
}
