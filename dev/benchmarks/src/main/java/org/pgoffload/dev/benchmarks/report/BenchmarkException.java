package org.pgoffload.dev.benchmarks.report;

/// A measurement that cannot be made or finished; the message says what happened.
public final class BenchmarkException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public BenchmarkException(String message) {
    super(message);
  }

  public BenchmarkException(String message, Throwable cause) {
    super(message, cause);
  }
}
