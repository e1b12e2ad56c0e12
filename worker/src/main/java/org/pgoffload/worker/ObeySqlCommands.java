package org.pgoffload.worker;

import java.sql.SQLException;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RequestKind;
import org.pgoffload.worker.sql.RunningTasks;
import org.pgoffload.worker.sql.TaskRecords;

/// Does what the commands to background SQL ask for, as far as it is theirs to ask.
final class ObeySqlCommands implements ListenToCommands.ObeyCommand {
  private final TaskRecords records;
  private final RunningTasks tasks;
  private final SqlLane lane;
  private final EarlyCancellations early;

  ObeySqlCommands(TaskRecords records, RunningTasks tasks, SqlLane lane, EarlyCancellations early) {
    this.records = records;
    this.tasks = tasks;
    this.lane = lane;
    this.early = early;
  }

  @Override
  public void obey(RequestKind kind, Envelope command) throws SQLException {
    switch (kind) {
      case CANCEL -> cancel(command.id(), command.requestedBy().userOid());
      case PROGRESS -> progress(command);
      case ASK, EMBED, SQL -> {}
    }
  }

  private void cancel(long id, long by) throws SQLException {
    // first: it may be recorded, and asked for, while we ask
    early.add(id, by);
    if (records.recordCancellation(id, by)) {
      tasks.cancel(id);
      lane.cancelled(id);
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
