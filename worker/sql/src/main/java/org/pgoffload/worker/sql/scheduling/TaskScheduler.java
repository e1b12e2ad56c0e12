package org.pgoffload.worker.sql.scheduling;

import org.pgoffload.worker.delivery.scheduling.Pausable;
import org.pgoffload.worker.delivery.scheduling.RequestScheduler;
import org.pgoffload.worker.sql.sessions.SqlLimits;
import org.pgoffload.worker.sql.sessions.SqlTask;

/// Chooses which of the tasks that were received may begin, in the order of their arrival: within
/// the limits of their depth, role and session, and one after another where they share an ordering
/// key. Safe to share between threads.
public final class TaskScheduler extends RequestScheduler<TaskPlaces.Place> {
  /// @param limits of all tasks at one depth, and of those of one role
  public TaskScheduler(SqlLimits limits) {
    super(new TaskPlaces(limits), KeyOrder.UNTIL_IT_HAS_FINISHED);
  }

  /// A task was received, and waits.
  public void add(SqlTask task) {
    var scheduling = task.scheduling();
    var role = new TaskPlaces.Role(scheduling.depth(), task.launcher().loginOid());
    var most = scheduling.maxWorkers();
    add(
        task.id(),
        new TaskPlaces.Place(
            new TaskPlaces.Session(role, scheduling.session()),
            most == null || scheduling.session() == null ? Integer.MAX_VALUE : most),
        Pausable.ofRole(task.launcher().userOid()),
        scheduling.orderingKey(),
        task.deadline().orElse(null));
  }
}
