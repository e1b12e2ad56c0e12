package org.pgoffload.dev.launcher;

import java.util.Locale;

/// What a local installation can start, in the order in which it is started.
public enum Part {
  POSTGRES,
  KAFKA,
  PRODUCER,
  WORKER,
  RESULTS,
  MAINTENANCE;

  String word() {
    return name().toLowerCase(Locale.ROOT);
  }
}
