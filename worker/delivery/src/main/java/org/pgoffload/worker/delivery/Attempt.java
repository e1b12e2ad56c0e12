package org.pgoffload.worker.delivery;

import java.time.Instant;

/// A claim that this worker has: which attempt at the request it is, and since when. Each handler
/// adds what it needs to execute the request.
public interface Attempt {
  /// The number of the attempt: the first is 1, a takeover is the next.
  int attempt();

  /// When the request was claimed, by the database's clock.
  Instant claimedAt();

  /// Whether another attempt was begun before.
  default boolean isTakeover() {
    return attempt() > 1;
  }
}
