package org.pgoffload.dev.launcher;

import java.util.Locale;

/// The parts that a local installation can start, in the order of their start.
public enum Part {
  POSTGRES,
  KAFKA,
  PRODUCER,
  WORKER,
  RESULTS,
  MAINTENANCE,
  CONSOLE;

  String word() {
    return name().toLowerCase(Locale.ROOT);
  }
}
