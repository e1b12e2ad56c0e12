package org.pgoffload.worker.sql.sessions;

import java.time.Duration;

/// The plans that the functions of tasks have left in a session, known by what they were made
/// under.
///
/// @param role that the tasks ran as
/// @param settings that they came with
/// @param since when there were none, by [System#nanoTime()]
record FunctionPlans(long role, String settings, long since) {
  /// PostgreSQL does not notice each change that a plan depends on, such as a type that was dropped
  /// and made anew.
  private static final Duration SERVE = Duration.ofSeconds(1);

  /// Those that a task is about to make.
  static FunctionPlans of(SqlTask task) {
    return new FunctionPlans(
        task.launcher().userOid(), task.command().settings(), System.nanoTime());
  }

  /// Whether a task may use them instead of its own.
  boolean serve(FunctionPlans own) {
    return role == own.role && settings.equals(own.settings) && own.since - since < SERVE.toNanos();
  }
}
