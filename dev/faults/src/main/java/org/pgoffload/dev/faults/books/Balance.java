package org.pgoffload.dev.faults.books;

import java.util.List;
import java.util.Map;

/// The balance of the books of one run.
///
/// @param requests how many were asked, those that were rolled back too
/// @param lost what was accepted and has no result
/// @param duplicated what took effect more than once, or though it must not have
/// @param disagreeing where tables and topic tell different stories
/// @param endings how many requests ended how
/// @param repeatedCalls calls that were answered and paid for in vain
/// @param told immediate calls of which nothing is there, and whose callers know
public record Balance(
    int requests,
    List<String> lost,
    List<String> duplicated,
    List<String> disagreeing,
    Map<String, Integer> endings,
    int repeatedCalls,
    int told) {
  public Balance {
    lost = List.copyOf(lost);
    duplicated = List.copyOf(duplicated);
    disagreeing = List.copyOf(disagreeing);
    endings = Map.copyOf(endings);
  }

  public boolean balances() {
    return lost.isEmpty() && duplicated.isEmpty() && disagreeing.isEmpty();
  }
}
