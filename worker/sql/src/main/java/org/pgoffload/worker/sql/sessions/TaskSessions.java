package org.pgoffload.worker.sql.sessions;

import java.sql.SQLException;
import java.time.Duration;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.apache.commons.pool2.BaseKeyedPooledObjectFactory;
import org.apache.commons.pool2.PooledObject;
import org.apache.commons.pool2.impl.DefaultPooledObject;
import org.apache.commons.pool2.impl.GenericKeyedObjectPool;
import org.apache.commons.pool2.impl.GenericKeyedObjectPoolConfig;
import org.pgoffload.platform.DirectLogin;
import org.pgoffload.platform.KeepAliveSockets;
import org.pgoffload.platform.TaskDatabase;
import org.postgresql.jdbc.PgConnection;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The sessions of tasks, kept by the oid of their login: real logins of the roles that launched,
/// bounded in total and for each role, closed when idle. Each depth of nesting has sessions of its
/// own.
///
/// Safe to share between threads; made for virtual threads.
public final class TaskSessions implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(TaskSessions.class);

  /// A session that has rested longer is tried before a task begins on it.
  private static final Duration TRUSTED = Duration.ofSeconds(1);

  private static final int VALIDATION_SECONDS = 5;

  private final Supplier<TaskDatabase> database;
  private final TaskLogin.Roles roles;
  private final String worker;
  private final SqlLimits limits;
  private final ConcurrentHashMap<Integer, GenericKeyedObjectPool<Long, TaskSession>> pools =
      new ConcurrentHashMap<>();
  private volatile boolean closed;

  /// @param database where tasks run, asked before each login
  /// @param roles where the role of an oid is looked up before each login
  /// @param worker its name, shown as application_name between tasks
  public TaskSessions(
      Supplier<TaskDatabase> database, TaskLogin.Roles roles, String worker, SqlLimits limits) {
    this.database = database;
    this.roles = roles;
    this.worker = worker;
    this.limits = limits;
  }

  /// A session that is at rest, or a new one.
  ///
  /// @param login the oid of the role
  /// @param patience how long to wait while all are in use
  /// @return empty if the time has passed
  /// @throws SQLException if the role cannot be logged in as
  public Optional<TaskSession> borrow(long login, int depth, Duration patience)
      throws SQLException, InterruptedException {
    try {
      return Optional.of(pool(depth).borrowObject(login, patience));
    } catch (SQLException | InterruptedException | RuntimeException e) {
      if (e instanceof NoSuchElementException) {
        return Optional.empty();
      }
      if (closed) {
        throw new InterruptedException("closed");
      }
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  /// Takes a session back. It is reset for the next task, or closed if it cannot be.
  public void giveBack(TaskSession session, int depth) {
    if (session.isReusable()) {
      try {
        session.reset();
        if (session.isReusable()) {
          pool(depth).returnObject(session.login(), session);
          return;
        }
      } catch (SQLException e) {
        LOG.debug("{} could not be reset and is closed", session, e);
      }
    }
    discard(session, depth);
  }

  private void discard(TaskSession session, int depth) {
    try {
      pool(depth).invalidateObject(session.login(), session);
    } catch (Exception e) {
      LOG.warn("{} could not be taken from its pool", session, e);
    }
  }

  /// Closes what rests: the server has no connection left, and of this worker's some are not used.
  public void closeIdle() {
    pools.values().forEach(GenericKeyedObjectPool::clear);
  }

  /// A session apart from all others, for a caller that must not wait for one of them.
  ///
  /// @param oid of the role
  /// @throws SQLException if the role cannot be logged in as
  public TaskSession open(long oid) throws SQLException {
    var login = roles.login(oid);
    var address = database.get().as(login.name(), login.options());
    var properties = address.properties("pgoffload worker " + worker);
    // rows are PostgreSQL's own text, whatever their type
    properties.setProperty("binaryTransfer", "false");
    // a task may deallocate whatever the driver has prepared
    properties.setProperty("prepareThreshold", "0");
    // a task's error is the task's: no savepoints of the driver's
    properties.setProperty("autosave", "never");
    // a task may run for days; keepalives notice a server that is gone
    properties.setProperty("socketTimeout", "0");
    properties.setProperty("socketFactory", KeepAliveSockets.class.getName());
    properties.setProperty("loginTimeout", "15");
    // cancelling must not outlast its repetition for long
    properties.setProperty("cancelSignalTimeout", "5");
    var connection = DirectLogin.open(address, properties).unwrap(PgConnection.class);
    try {
      return new TaskSession(login, connection, address);
    } catch (SQLException e) {
      connection.close();
      throw e;
    }
  }

  /// The database that its sessions are of.
  public String databaseName() {
    return database.get().database();
  }

  /// How many run a task.
  public int active() {
    return pools.values().stream().mapToInt(GenericKeyedObjectPool::getNumActive).sum();
  }

  /// How many are kept for the next one.
  public int idle() {
    return pools.values().stream().mapToInt(GenericKeyedObjectPool::getNumIdle).sum();
  }

  private GenericKeyedObjectPool<Long, TaskSession> pool(int depth) {
    return pools.computeIfAbsent(depth, added -> newPool());
  }

  private GenericKeyedObjectPool<Long, TaskSession> newPool() {
    var configuration = new GenericKeyedObjectPoolConfig<TaskSession>();
    configuration.setMaxTotal(limits.connections());
    configuration.setMaxTotalPerKey(limits.connectionsPerRole());
    configuration.setMaxIdlePerKey(limits.connectionsPerRole());
    configuration.setMinEvictableIdleDuration(limits.idle());
    configuration.setTimeBetweenEvictionRuns(
        limits.idle().dividedBy(2).plus(Duration.ofMillis(100)));
    // all that rest are looked at
    configuration.setNumTestsPerEvictionRun(-1);
    configuration.setTestOnBorrow(true);
    // monitoring is ours
    configuration.setJmxEnabled(false);
    return new GenericKeyedObjectPool<>(new Sessions(), configuration);
  }

  /// Closes what rests; what is in use is closed when it comes back.
  @Override
  public void close() {
    closed = true;
    pools.values().forEach(GenericKeyedObjectPool::close);
  }

  private final class Sessions extends BaseKeyedPooledObjectFactory<Long, TaskSession> {
    @Override
    public TaskSession create(Long login) throws SQLException {
      return open(login);
    }

    @Override
    public PooledObject<TaskSession> wrap(TaskSession session) {
      return new DefaultPooledObject<>(session);
    }

    @Override
    public boolean validateObject(Long login, PooledObject<TaskSession> pooled) {
      if (pooled.getIdleDuration().compareTo(TRUSTED) < 0) {
        return true;
      }
      try {
        return pooled.getObject().connection().isValid(VALIDATION_SECONDS);
      } catch (SQLException e) {
        return false;
      }
    }

    @Override
    public void destroyObject(Long login, PooledObject<TaskSession> pooled) {
      pooled.getObject().close();
    }
  }
}
