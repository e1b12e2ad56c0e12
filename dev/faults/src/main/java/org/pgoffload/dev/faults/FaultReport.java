package org.pgoffload.dev.faults;

import java.util.Formatter;
import java.util.List;
import java.util.Locale;

/// The outcomes as a table in Markdown. A pure function.
public final class FaultReport {
  private static final String RECOVERY =
      """
      Recovery time: *takeover*, from the end of a worker until the last of the requests that it had \
      claimed was claimed by another one; *PostgreSQL* and *Kafka*, from the start of the server's \
      process until the first request that was asked after it has its result; everything else, from \
      the part's start, or the end of the disturbance, until the first such result.
      """;

  private FaultReport() {}

  /// The table, and what its times mean.
  public static String markdown(List<FaultOutcome> outcomes, long seed) {
    var text = new Formatter(Locale.ROOT);
    text.format("| Fault | Requests | Lost | Duplicated | Disagreeing | Recovery | Notes |%n");
    text.format("|---|--:|--:|--:|--:|---|---|%n");
    for (var outcome : outcomes) {
      text.format(
          "| %s | %,d | %d | %d | %d | %s | %s |%n",
          outcome.fault(),
          outcome.requests(),
          outcome.lost(),
          outcome.duplicated(),
          outcome.disagreeing(),
          outcome.recovery(),
          String.join("; ", outcome.notes()));
    }
    text.format("%n%sSeed: %d.%n", RECOVERY, seed);
    return text.toString();
  }

  /// The problems, one line each, the first ones of each fault; empty if all books balance.
  public static String problems(List<FaultOutcome> outcomes, int mostOfEach) {
    var text = new Formatter(Locale.ROOT);
    for (var outcome : outcomes) {
      outcome.problems().stream()
          .limit(mostOfEach)
          .forEach(problem -> text.format("%s: %s%n", outcome.fault(), problem));
      if (outcome.problems().size() > mostOfEach) {
        text.format("%s: and %d more%n", outcome.fault(), outcome.problems().size() - mostOfEach);
      }
    }
    return text.toString();
  }
}
