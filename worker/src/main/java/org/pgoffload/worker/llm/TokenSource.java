package org.pgoffload.worker.llm;

/// Where tokens come from.
@FunctionalInterface
interface TokenSource {

  /// Asks for a token, blocking the calling thread. Every failure is an outcome.
  ///
  /// @throws InterruptedException if the thread is interrupted
  TokenOutcome ask() throws InterruptedException;
}
