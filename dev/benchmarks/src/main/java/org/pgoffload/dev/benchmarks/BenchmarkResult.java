package org.pgoffload.dev.benchmarks;

import java.util.List;

/// The figures of one run.
///
/// @param plan how much was measured
/// @param floor the cost of the steps that any pipeline of this kind needs
/// @param latency how long a caller waits for an answer
/// @param hops where that time goes
/// @param throughput how fast many rows of one statement are answered
/// @param launchRate tasks per second that one statement launches and reads
public record BenchmarkResult(
    BenchmarkPlan plan,
    Floor floor,
    Latency latency,
    List<Hop> hops,
    Throughput throughput,
    double launchRate) {
  public BenchmarkResult {
    hops = List.copyOf(hops);
  }

  /// How many times the floor a caller waits after an INSERT, by the medians.
  public double latencyToFloor() {
    return latency.insertAndWait.p50() / floor.sum.p50();
  }

  /// The bare steps, measured between the samples of [Latency] so that noise hits both alike.
  ///
  /// @param insert commit of the request's row into a table of the same shape without trigger
  /// @param hops two times from a raw Kafka producer to a raw consumer
  /// @param result commit of a result's row
  /// @param sum of the three, sample by sample
  public record Floor(Percentiles insert, Percentiles hops, Percentiles result, Percentiles sum) {}

  /// One caller, one request at a time.
  ///
  /// @param insertAndWait from before the INSERT, which commits by itself, to `llm_wait`'s return
  /// @param ask one `llm_ask`
  /// @param launch one `pg_background_launch('select 1')`, read in the same statement
  public record Latency(Percentiles insertAndWait, Percentiles ask, Percentiles launch) {}

  /// One step of an inserted request's way.
  ///
  /// @param name from what to what
  /// @param medianMs milliseconds; slightly negative if the second was usually seen first
  public record Hop(String name, double medianMs) {}

  /// Many rows in one statement.
  ///
  /// @param rounds in their order
  public record Throughput(List<Round> rounds) {
    public Throughput {
      rounds = List.copyOf(rounds);
    }

    /// Rows answered per second from the statement's start: the median of the rounds.
    public double rate() {
      return Median.of(rounds.stream().map(Round::rate).toList());
    }

    /// Rows answered per second from the statement's commit: the median of the rounds.
    public double rateFromCommit() {
      return Median.of(rounds.stream().map(Round::rateFromCommit).toList());
    }

    /// Rows per second of the INSERT alone: the median of the rounds.
    public double insertRate() {
      return Median.of(rounds.stream().map(Round::insertRate).toList());
    }

    /// Rows per second of the same INSERT into a table without trigger: the median of the rounds.
    public double plainInsertRate() {
      return Median.of(rounds.stream().map(Round::plainInsertRate).toList());
    }
  }

  /// One statement's rows.
  ///
  /// @param rows how many
  /// @param plainInsertSeconds the same INSERT into a table without trigger
  /// @param insertSeconds the statement, commit included
  /// @param answeredSeconds from the statement's start until all are answered
  public record Round(
      int rows, double plainInsertSeconds, double insertSeconds, double answeredSeconds) {
    public double rate() {
      return rows / answeredSeconds;
    }

    public double rateFromCommit() {
      return rows / (answeredSeconds - insertSeconds);
    }

    public double insertRate() {
      return rows / insertSeconds;
    }

    public double plainInsertRate() {
      return rows / plainInsertSeconds;
    }
  }
}
