package org.pgoffload.dev.benchmarks;

import java.util.Formatter;
import java.util.Locale;

/// The figures as text for people. A pure function.
public final class Report {
  /// The figures of a bare prototype of all hops on two cores with fsync on.
  private static final double PROTOTYPE_MS = 3;

  private static final double PROTOTYPE_RATE = 10_800;

  private Report() {}

  /// Several lines, each ended by a line feed.
  public static String text(BenchmarkResult result) {
    var text = new Formatter(Locale.ROOT);
    text.format("Latency in ms, one caller     %8s %8s %8s %8s%n", "p50", "p95", "p99", "max");
    text.format("  INSERT, then llm_wait       %s%n", row(result.latency().insertAndWait()));
    text.format("  llm_ask                     %s%n", row(result.latency().ask()));
    text.format("  pg_background_launch, read  %s%n", row(result.latency().launch()));
    text.format("  floor, in the same run      %s%n", row(result.floor().sum()));
    text.format("    plain INSERT and commit   %s%n", row(result.floor().insert()));
    text.format("    two bare Kafka hops       %s%n", row(result.floor().hops()));
    text.format("    result's row and commit   %s%n", row(result.floor().result()));
    text.format("%n");
    text.format("Where the time goes, medians in ms while it is observed%n");
    for (var hop : result.hops()) {
      text.format("  %-34s %8.2f%n", hop.name(), hop.medianMs());
    }
    text.format("%n");
    var throughput = result.throughput();
    text.format(
        "Throughput in rows/s, %,d rows in one statement, median of %d rounds%n",
        result.plan().rows(), throughput.rounds().size());
    text.format("  answered, from the statement's start  %,10.0f%n", throughput.rate());
    text.format("  answered, from its commit             %,10.0f%n", throughput.rateFromCommit());
    text.format("  the INSERT itself                     %,10.0f%n", throughput.insertRate());
    text.format("  the same INSERT without trigger       %,10.0f%n", throughput.plainInsertRate());
    for (var round : throughput.rounds()) {
      text.format(
          "    inserted in %.2f s, all answered after %.2f s: %,.0f rows/s%n",
          round.insertSeconds(), round.answeredSeconds(), round.rate());
    }
    text.format("Tasks launched and read in one statement: %,.0f a second%n", result.launchRate());
    text.format("%n");
    text.format("%s%n", verdict(result));
    return text.toString();
  }

  private static String verdict(BenchmarkResult result) {
    double latency = result.latency().insertAndWait().p50();
    double rate = result.throughput().rate();
    return String.format(
        Locale.ROOT,
        "Median latency %.2f ms, %.1f times the floor (target: at most %.0f ms): %s. Rate %,.0f rows/s"
            + " (target: at least %,.0f): %s.",
        latency,
        result.latencyToFloor(),
        2 * PROTOTYPE_MS,
        latency <= 2 * PROTOTYPE_MS ? "met" : "missed",
        rate,
        PROTOTYPE_RATE / 2,
        rate >= PROTOTYPE_RATE / 2 ? "met" : "missed");
  }

  private static String row(Percentiles milliseconds) {
    return String.format(
        Locale.ROOT,
        "%8.2f %8.2f %8.2f %8.2f",
        milliseconds.p50(),
        milliseconds.p95(),
        milliseconds.p99(),
        milliseconds.max());
  }
}
