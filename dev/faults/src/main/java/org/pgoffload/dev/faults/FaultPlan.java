package org.pgoffload.dev.faults;

import java.nio.file.Path;
import java.util.List;
import org.pgoffload.dev.faults.injections.Fault;
import org.pgoffload.dev.faults.injections.Faults;

/// The faults of a run, and the load under them.
///
/// @param only the names of the faults; empty for all
/// @param requests of each fault
/// @param rounds of several random faults at once, after the others
/// @param seed of everything that is random
/// @param directory of everything that runs; must not exist or be empty
/// @param keep whether the directory stays afterwards
public record FaultPlan(
    List<String> only, int requests, int rounds, long seed, Path directory, boolean keep) {
  public FaultPlan {
    only = List.copyOf(only);
    for (var name : only) {
      if (Faults.named(name).isEmpty()) {
        throw new IllegalArgumentException(
            "there is no fault " + name + "; pgoffload faults --list has them all");
      }
    }
    if (requests < 50 || requests > 1_000_000) {
      throw new IllegalArgumentException("requests must be from 50 to 1000000, not " + requests);
    }
    if (rounds < 0 || rounds > 1000) {
      throw new IllegalArgumentException("rounds must be from 0 to 1000, not " + rounds);
    }
  }

  List<Fault> faults() {
    return only.isEmpty()
        ? Faults.all()
        : only.stream().flatMap(name -> Faults.named(name).stream()).toList();
  }

  /// One line for each fault that there is: its name and what it does.
  public static List<String> describe() {
    return Faults.all().stream()
        .map(fault -> String.format("%-32s %s", fault.name(), fault.description()))
        .toList();
  }
}
