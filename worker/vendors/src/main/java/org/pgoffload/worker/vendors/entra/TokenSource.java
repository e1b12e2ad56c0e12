package org.pgoffload.worker.vendors.entra;

/// Where tokens come from.
@FunctionalInterface
interface TokenSource {

  /// Asks for a token, blocking the calling thread. Every failure is an outcome.
  ///
  /// @throws InterruptedException if the thread is interrupted
  TokenOutcome ask() throws InterruptedException;
}
