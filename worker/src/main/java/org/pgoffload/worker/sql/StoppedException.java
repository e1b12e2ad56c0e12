package org.pgoffload.worker.sql;

/// A task is to stop between two things that it does.
final class StoppedException extends Exception {
  private static final long serialVersionUID = 1L;

  private final RunningTask.Stop reason;

  StoppedException(RunningTask.Stop reason) {
    super("stopped: " + reason);
    this.reason = reason;
  }

  RunningTask.Stop reason() {
    return reason;
  }
}
