package org.pgoffload.dev.faults;

import java.util.List;

/// The outcome of one fault.
///
/// @param fault its name
/// @param requests how many were asked
/// @param lost how many were accepted and have no result, or no effect
/// @param duplicated how many took effect too often
/// @param disagreeing how often tables and topic tell different stories
/// @param recovery how long it took until all was well, for people
/// @param notes for people
/// @param problems in detail; empty if the books balance
public record FaultOutcome(
    String fault,
    int requests,
    int lost,
    int duplicated,
    int disagreeing,
    String recovery,
    List<String> notes,
    List<String> problems) {
  public FaultOutcome {
    notes = List.copyOf(notes);
    problems = List.copyOf(problems);
  }

  /// A fault that could not be injected here.
  static FaultOutcome skipped(String fault, String why) {
    return new FaultOutcome(fault, 0, 0, 0, 0, "", List.of("skipped: " + why), List.of());
  }

  /// An installation that could not be made whole again, or asked.
  static FaultOutcome broken(String fault, String what) {
    return new FaultOutcome(fault, 0, 0, 0, 0, "none", List.of("broken"), List.of(what));
  }

  /// Whether nothing is lost and nothing happened twice.
  public boolean balances() {
    return problems.isEmpty();
  }
}
