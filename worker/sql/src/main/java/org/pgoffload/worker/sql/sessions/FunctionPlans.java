package org.pgoffload.worker.sql.sessions;

import java.time.Duration;

/// The plans that the functions of tasks have left in a session, known by what they were made
/// under.
///
/// @param role that the tasks ran as
/// @param settings that they came with
/// @param memberships of the roles, as the database names them
/// @param begun what the last task's begin has set, as the database told it
/// @param since when there were none, by [System#nanoTime()]
record FunctionPlans(long role, String settings, String memberships, String begun, long since) {
  /// PostgreSQL does not notice each change that a plan depends on, such as a type that was dropped
  /// and made anew.
  private static final Duration SERVE = Duration.ofSeconds(1);

  /// Those that a task is about to make.
  static FunctionPlans of(SqlTask task, String memberships, String begun) {
    return new FunctionPlans(
        task.launcher().userOid(),
        task.command().settings(),
        memberships,
        begun,
        System.nanoTime());
  }

  /// The same plans, after the begin of a next task.
  FunctionPlans after(String begun) {
    return new FunctionPlans(role, settings, memberships, begun, since);
  }

  /// Whether a task may use them, if the memberships are the same.
  boolean serve(SqlTask task) {
    return role == task.launcher().userOid()
        && settings.equals(task.command().settings())
        && System.nanoTime() - since < SERVE.toNanos();
  }
}
