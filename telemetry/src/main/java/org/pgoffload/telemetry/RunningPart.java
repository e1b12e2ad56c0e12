package org.pgoffload.telemetry;

/// A part of pgoffload that works in the background until it is closed.
///
/// Safe to share between threads.
public interface RunningPart extends AutoCloseable {
  /// Waits until the part ends, which it does only when it is closed or cannot go on.
  void awaitEnd() throws InterruptedException;

  /// How it does; answers at once.
  Health health();

  /// Ends it within a few seconds and leaves to the next one what it has not finished. Idempotent.
  @Override
  void close();
}
