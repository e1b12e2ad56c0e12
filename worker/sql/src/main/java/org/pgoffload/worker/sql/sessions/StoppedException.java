package org.pgoffload.worker.sql.sessions;

/// A task is to stop between two things that it does.
public final class StoppedException extends Exception {
  private static final long serialVersionUID = 1L;

  private final RunningTask.Stop reason;

  StoppedException(RunningTask.Stop reason) {
    super("stopped: " + reason);
    this.reason = reason;
  }

  /// Why the task is to stop.
  public RunningTask.Stop reason() {
    return reason;
  }
}
