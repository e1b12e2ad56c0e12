package org.pgoffload.worker.delivery.commands;

import java.sql.SQLException;
import java.util.List;
import org.pgoffload.protocol.Envelope;

/// Obeys the commands to the requests of one kind. Obeying a command twice changes nothing.
public interface CommandHandler {
  /// Cancels requests, as far as their requesters may.
  ///
  /// @param cancellations at most a few hundred
  /// @return those of requests that this handler does not know
  /// @throws SQLException if the database could not be asked: to be called again with all of them
  List<Cancellation> cancel(List<Cancellation> cancellations) throws SQLException;

  /// Records the progress of requests that run here.
  ///
  /// @throws SQLException as [#cancel]
  default void progress(List<Envelope> commands) throws SQLException {}
}
