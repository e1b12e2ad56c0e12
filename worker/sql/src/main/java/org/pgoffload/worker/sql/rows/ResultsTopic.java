package org.pgoffload.worker.sql.rows;

import java.util.concurrent.Future;
import org.pgoffload.protocol.SqlResult;

/// Where rows and results of tasks go.
///
/// Safe to share between threads.
public interface ResultsTopic {
  /// Begins to publish a chunk of rows that is stored by its worker. Chunks of one request arrive
  /// in the order of these calls unless one fails.
  ///
  /// @param rows a sql-rows message
  /// @return done when every in-sync replica has it
  Future<?> begin(long id, byte[] rows);

  /// Publishes, trying again until every in-sync replica has it.
  ///
  /// @throws InterruptedException if the worker is closing; it may or may not be published
  void publish(SqlResult result) throws InterruptedException;

  /// Publishes a result as the database recorded it.
  ///
  /// @param json a sql-result message
  /// @throws InterruptedException if the worker is closing; it may or may not be published
  void publish(long id, String json) throws InterruptedException;
}
