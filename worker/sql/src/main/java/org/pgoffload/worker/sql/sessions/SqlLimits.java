package org.pgoffload.worker.sql.sessions;

import java.time.Duration;

/// How many tasks a worker runs at once. All numbers are for each depth of nesting: a task that
/// waits for one that it has launched must not take its place.
///
/// @param connections in total
/// @param connectionsPerRole of one role
/// @param idle how long a session is kept for the next task of its role
public record SqlLimits(int connections, int connectionsPerRole, Duration idle) {
  public static final SqlLimits DEFAULT = new SqlLimits(32, 16, Duration.ofSeconds(60));

  public SqlLimits {
    if (connections < 1) {
      throw new IllegalArgumentException("the number of connections must be at least 1");
    }
    if (connectionsPerRole < 1 || connectionsPerRole > connections) {
      throw new IllegalArgumentException(
          "the number of connections of one role must be from 1 to " + connections);
    }
    if (idle.isNegative()) {
      throw new IllegalArgumentException("the idle time must not be negative");
    }
  }
}
