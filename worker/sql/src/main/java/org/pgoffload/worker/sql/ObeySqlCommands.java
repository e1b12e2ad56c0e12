package org.pgoffload.worker.sql;

import java.sql.SQLException;
import java.util.List;
import java.util.Set;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.worker.delivery.ConsumedRequest;
import org.pgoffload.worker.delivery.commands.Cancellation;
import org.pgoffload.worker.delivery.commands.CommandHandler;
import org.pgoffload.worker.delivery.commands.EarlyCancellations;
import org.pgoffload.worker.sql.scheduling.TaskScheduler;

/// Does what the commands to background SQL ask for, as far as it is theirs to ask.
final class ObeySqlCommands implements CommandHandler {
  private final TaskRecords records;
  private final RunningTasks tasks;
  private final TaskScheduler scheduler;
  private final EarlyCancellations early;

  ObeySqlCommands(
      TaskRecords records, RunningTasks tasks, TaskScheduler scheduler, EarlyCancellations early) {
    this.records = records;
    this.tasks = tasks;
    this.scheduler = scheduler;
    this.early = early;
  }

  @Override
  public List<Cancellation> cancel(List<Cancellation> cancellations) throws SQLException {
    var cancelled =
        Set.copyOf(
            records.recordCancellations(
                cancellations.stream().map(Cancellation::id).toList(),
                cancellations.stream().map(Cancellation::by).toList()));
    for (long id : cancelled) {
      tasks.cancel(id);
      // one that waits here is to be claimed, which ends it
      scheduler.end(id);
    }
    cancellations.stream().filter(each -> cancelled.contains(each.id())).forEach(early::forget);
    return List.of();
  }

  /// Obeys what came before these requests were recorded, which they are by now.
  void obeyEarly(List<ConsumedRequest> requests) throws SQLException {
    early.obey(requests.stream().map(ConsumedRequest::id).toList(), this::cancel);
  }

  @Override
  public void progress(List<Envelope> commands) throws SQLException {
    for (var command : commands) {
      progress(command);
    }
  }

  /// Only the backend that runs the task may speak of its progress: anybody may send such a
  /// command.
  private void progress(Envelope command) throws SQLException {
    var task = tasks.find(command.id());
    var payload = command.payload();
    if (task.isPresent() && task.get().backend() == payload.path("pid").asInt(-1)) {
      var message = payload.path("message");
      records.recordProgress(
          command.id(),
          task.get().attempt(),
          payload.path("pct").asInt(),
          message.isTextual() ? message.asText() : null);
    }
  }
}
