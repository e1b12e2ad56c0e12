package org.pgoffload.worker;

/// A worker that cannot begin; the message says what to do.
public final class WorkerStartException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public WorkerStartException(String message, Throwable cause) {
    super(message, cause);
  }
}
