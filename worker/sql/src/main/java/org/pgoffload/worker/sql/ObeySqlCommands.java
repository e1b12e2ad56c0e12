package org.pgoffload.worker.sql;

import java.sql.SQLException;
import java.util.List;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.worker.delivery.commands.CommandHandler;

/// Does what the commands to background SQL ask for, as far as it is theirs to ask.
final class ObeySqlCommands implements CommandHandler {
  private final TaskRecords records;
  private final RunningTasks tasks;
  private final SqlRequestHandler handler;

  ObeySqlCommands(TaskRecords records, RunningTasks tasks, SqlRequestHandler handler) {
    this.records = records;
    this.tasks = tasks;
    this.handler = handler;
  }

  @Override
  public List<Envelope> cancel(List<Envelope> commands) throws SQLException {
    var ids = commands.stream().map(Envelope::id).toList();
    var by = commands.stream().map(command -> command.requestedBy().userOid()).toList();
    for (int i = 0; i < ids.size(); i++) {
      // first: it may be recorded, and asked for, while we ask
      handler.cancellations().add(ids.get(i), by.get(i));
    }
    for (long id : records.recordCancellations(ids, by)) {
      tasks.cancel(id);
      handler.cancelled(id);
      handler.cancellations().forget(id);
    }
    return List.of();
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
