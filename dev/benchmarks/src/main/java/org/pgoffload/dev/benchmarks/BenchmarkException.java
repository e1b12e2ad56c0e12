package org.pgoffload.dev.benchmarks;

/// A measurement that cannot be made or finished; the message says what happened.
public final class BenchmarkException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  BenchmarkException(String message) {
    super(message);
  }

  BenchmarkException(String message, Throwable cause) {
    super(message, cause);
  }
}
