package org.pgoffload.connectors;

import io.debezium.config.Configuration;
import io.debezium.connector.postgresql.PostgresConnectorConfig;
import io.debezium.connector.postgresql.PostgresOffsetContext;
import io.debezium.connector.postgresql.PostgresPartition;
import io.debezium.connector.postgresql.connection.PostgresConnection;
import io.debezium.pipeline.ChangeEventSourceCoordinator;
import io.debezium.pipeline.spi.OffsetContext;
import io.debezium.pipeline.spi.Offsets;
import io.debezium.pipeline.spi.Partition;
import java.io.IOException;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.source.SourceRecord;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The task of a Connect cluster, with three rules of ours.
///
/// - **It never makes a slot.** Before every start, those after a fault included, it looks at the
///   slot; where that is missing, lost or another database's, the task fails and says what to do.
///   Debezium would make a new one in silence, and what lies between two slots would be gone. A
///   slot that is dropped just then is not made either: the guard's transaction stays open until
///   records come, and making a slot waits for every transaction that writes.
/// - **It waits for the database.** A server that is away, or a slot that another process still
///   reads from, is tried again; Debezium gives up where that happens during a start. A wrong
///   password fails the task, which has it for as long as it lives: another one needs another
///   start.
/// - **The slot is the position.** What Connect has stored is not where it begins: after a restore
///   it may lie ahead of everything, and nothing would be captured until then. What is captured a
///   second time is recognised by its id.
///
/// For the thread of the task alone, as Connect calls it.
public final class RequestConnectorTask extends CaptureTask {
  private static final Logger LOG = LoggerFactory.getLogger(RequestConnectorTask.class);

  private static final String INVALID_PASSWORD = "28P01";

  private @Nullable PostgresConnection guard;
  private boolean starting;

  /// The offset that was stored before this start. It says nothing of the deliveries of this run,
  /// and may be of another server: the slot must not be moved there.
  private @Nullable Map<String, ?> storedBefore;

  @Override
  public ChangeEventSourceCoordinator<PostgresPartition, PostgresOffsetContext> start(
      Configuration config) {
    awaitSlot(config);
    starting = true;
    try {
      return super.start(config);
    } catch (RetriableException e) {
      doStop();
      throw e;
    } catch (RuntimeException e) {
      doStop();
      if (isOfTheConnection(e)) {
        throw new RetriableException("the capture could not be started: " + e.getMessage(), e);
      }
      throw e;
    } finally {
      starting = false;
    }
  }

  private void awaitSlot(Configuration config) {
    endGuard();
    var connector = new PostgresConnectorConfig(config);
    try {
      var opened = new PostgresConnection(connector.getJdbcConfig(), "pgoffload guard");
      guard = opened;
      var connection = opened.connection();
      connection.setAutoCommit(false);
      try (var statement = connection.createStatement()) {
        // the transaction counts as one that writes
        statement.execute("select pg_catalog.pg_current_xact_id()");
      }
      var state = SlotState.read(connection, connector.databaseName(), connector.slotName());
      if (state instanceof SlotState.Broken broken) {
        throw new ConnectException(
            "capture stands still: "
                + broken.code()
                + ": "
                + broken.whatToDo()
                + "; then restart this task");
      }
      if (state instanceof SlotState.InUse inUse) {
        throw new RetriableException(
            "replication slot "
                + connector.slotName()
                + " is in use by server process "
                + inUse.processId()
                + ": waiting to take over");
      }
    } catch (ConnectException e) {
      endGuard();
      throw e;
    } catch (SQLException | RuntimeException e) {
      endGuard();
      if (isWrongPassword(e)) {
        throw new ConnectException(
            "capture stands still: login_refused: "
                + e.getMessage()
                + ": mend it where the connector's configuration points to, or in the server; then"
                + " restart this task",
            e);
      }
      throw new RetriableException(
          "capture stands still: the database cannot be asked: " + e.getMessage(), e);
    }
  }

  @Override
  public List<SourceRecord> doPoll() throws InterruptedException {
    var records = super.doPoll();
    if (guard != null && !records.isEmpty()) {
      // the slot is being read from, and cannot be dropped
      endGuard();
    }
    return records;
  }

  @Override
  protected void doStop() {
    endGuard();
    super.doStop();
  }

  private void endGuard() {
    var ending = guard;
    guard = null;
    if (ending != null) {
      try {
        ending.close();
      } catch (RuntimeException e) {
        LOG.debug("The guard's connection was broken already", e);
      }
    }
  }

  /// Any other reason for a refused login is mended in the server, so the login is tried again.
  private static boolean isWrongPassword(Throwable fault) {
    return hasCause(
        fault,
        cause -> cause instanceof SQLException sql && INVALID_PASSWORD.equals(sql.getSQLState()));
  }

  private static boolean isOfTheConnection(Throwable fault) {
    return hasCause(fault, cause -> cause instanceof SQLException || cause instanceof IOException);
  }

  private static boolean hasCause(Throwable fault, Predicate<Throwable> is) {
    for (Throwable cause = fault; cause != null; cause = cause.getCause()) {
      if (is.test(cause)) {
        return true;
      }
    }
    return false;
  }

  /// Asked at the start for where to begin, and later for how far the slot may be moved.
  @Override
  protected Offsets<PostgresPartition, PostgresOffsetContext> getPreviousOffsets(
      Partition.Provider<PostgresPartition> provider,
      OffsetContext.Loader<PostgresOffsetContext> loader) {
    var stored = super.getPreviousOffsets(provider, loader);
    var offset = stored.getTheOnlyOffset();
    if (starting) {
      storedBefore = offset == null ? null : offset.getOffset();
    }
    if (offset == null || (!starting && !offset.getOffset().equals(storedBefore))) {
      return stored;
    }
    return Offsets.of(stored.getTheOnlyPartition(), null);
  }
}
