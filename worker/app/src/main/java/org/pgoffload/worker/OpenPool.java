package org.pgoffload.worker;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.SQLExceptionOverride;
import com.zaxxer.hikari.pool.HikariPool;
import io.micrometer.core.instrument.MeterRegistry;
import java.security.GeneralSecurityException;
import java.sql.SQLException;
import java.time.Duration;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.PoolerException;
import org.pgoffload.platform.primary.FollowPrimary;
import org.pgoffload.platform.primary.NotPrimaryException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Opens the worker's own connections, once the database is there.
final class OpenPool {
  private static final Logger LOG = LoggerFactory.getLogger(OpenPool.class);

  private static final Duration PATIENCE_AT_START = Duration.ofSeconds(30);

  /// Claims are made by one thread, the lease is renewed by another, keys are read now and then.
  private static final int CONNECTIONS = 4;

  /// And each task may have a result to record.
  private static final int CONNECTIONS_WITH_SQL = 8;

  private static final Duration STATEMENT_TIMEOUT = Duration.ofSeconds(10);

  /// A server that has vanished must not hold the consumer for ever; above the server's own
  /// timeout.
  private static final Duration SILENCE = Duration.ofSeconds(15);

  private OpenPool() {}

  /// A session that cannot write is one with a server that is a standby now: the next one is with
  /// the server that takes writes.
  private static final class DropReadOnly implements SQLExceptionOverride {
    @java.lang.Override
    public SQLExceptionOverride.Override adjudicate(SQLException fault) {
      return DatabaseFault.is(fault, DatabaseFault.READ_ONLY_TRANSACTION)
          ? SQLExceptionOverride.Override.MUST_EVICT
          : SQLExceptionOverride.Override.CONTINUE_EVICT;
    }
  }

  /// Opens the pool of the worker's own connections.
  ///
  /// @throws WorkerStartException if there is no way in, with what to do
  static HikariDataSource open(
      WorkerConfiguration configuration, FollowPrimary primary, MeterRegistry metrics) {
    var pool = new HikariConfig();
    pool.setPoolName("pgoffload-worker");
    pool.setMetricRegistry(metrics);
    pool.setDataSource(primary.dataSource(name(configuration), SILENCE, STATEMENT_TIMEOUT));
    pool.setExceptionOverride(new DropReadOnly());
    pool.setMaximumPoolSize(configuration.sql() == null ? CONNECTIONS : CONNECTIONS_WITH_SQL);
    pool.setMinimumIdle(1);
    pool.setConnectionTimeout(Duration.ofSeconds(2).toMillis());
    pool.setValidationTimeout(Duration.ofSeconds(1).toMillis());
    // on a busy machine the first session takes longer than a session is waited for later, when a
    // database that is away is waited for by its users
    pool.setInitializationFailTimeout(PATIENCE_AT_START.toMillis());
    awaitDatabase(configuration, primary);
    var opened = withASession(configuration, pool);
    // what is in use goes when it comes back
    primary.onChange(() -> opened.getHikariPoolMXBean().softEvictConnections());
    return opened;
  }

  private static HikariDataSource withASession(
      WorkerConfiguration configuration, HikariConfig pool) {
    try {
      return new HikariDataSource(pool);
    } catch (HikariPool.PoolInitializationException e) {
      throw new WorkerStartException(
          "the worker cannot connect to " + configuration.database() + ": " + e.getMessage(), e);
    }
  }

  private static String name(WorkerConfiguration configuration) {
    return "pgoffload worker " + configuration.delivery().name();
  }

  /// Started together with its database, a worker waits for it, and for the record of the primary
  /// as long as it takes; but not for a login or a database that is not there, a pooler, or a
  /// server whose certificate is not the right one.
  private static void awaitDatabase(WorkerConfiguration configuration, FollowPrimary primary) {
    var address = configuration.database();
    long deadline = System.nanoTime() + PATIENCE_AT_START.toNanos();
    var complaint = new Complaint(LOG);
    while (true) {
      try (var _ = primary.connect(name(configuration), SILENCE, STATEMENT_TIMEOUT)) {
        return;
      } catch (NotPrimaryException e) {
        complaint.of("The worker does not begin yet: " + e.getMessage());
      } catch (SQLException e) {
        if (DatabaseFault.isOfClass(e, "28", "3D")
            || e instanceof PoolerException
            || isAnotherServer(e)
            || System.nanoTime() > deadline) {
          throw new WorkerStartException(
              "the worker cannot connect to " + address + ": " + e.getMessage(), e);
        }
      }
      pause(address);
    }
  }

  /// Whether the server's certificate is not what was to be verified: waiting would not change it.
  private static boolean isAnotherServer(SQLException fault) {
    for (Throwable cause = fault; cause != null; cause = cause.getCause()) {
      if (cause instanceof GeneralSecurityException) {
        return true;
      }
    }
    // pgjdbc gives no cause for a name that does not match
    return String.valueOf(fault.getMessage()).contains("could not be verified by hostnameverifier");
  }

  private static void pause(DatabaseAddress address) {
    try {
      Thread.sleep(200);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new WorkerStartException("interrupted while waiting for " + address, e);
    }
  }
}
