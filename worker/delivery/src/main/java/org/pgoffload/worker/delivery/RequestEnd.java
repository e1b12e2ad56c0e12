package org.pgoffload.worker.delivery;

/// What became of a request that was executed here.
public enum RequestEnd {
  /// Its result is published, or there is none to publish.
  FINISHED,
  /// Another worker has it.
  HELD
}
