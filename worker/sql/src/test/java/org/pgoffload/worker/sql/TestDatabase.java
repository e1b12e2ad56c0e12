package org.pgoffload.worker.sql;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.protocol.RequestKey;
import org.pgoffload.schema.InstalledDatabase;
import org.pgoffload.worker.delivery.lease.WorkerLease;
import org.pgoffload.worker.sql.sessions.SqlTask;
import org.postgresql.ds.PGSimpleDataSource;

/// A database with the schema, where `alice` and `bob` may launch SQL, and one live worker.
final class TestDatabase implements AutoCloseable, WorkerLease {
  private final InstalledDatabase database;
  private final long epoch;

  TestDatabase() {
    this(PostgresVersion.V18);
  }

  TestDatabase(PostgresVersion version) {
    database = new InstalledDatabase(version);
    database.createRole("alice", "login");
    database.createRole("bob", "login");
    database.createRole("nologin", "login");
    database.createRole("team", "");
    execute(
        """
        update pgoffload.setting set value = '1 hour' where name = 'worker_dead_after';
        alter role pgoffload_worker login;
        grant team to alice;
        grant pgbackground_role to alice, bob, nologin, team;
        grant all on schema public to alice, bob, team;
        """);
    epoch = Long.parseLong(query("select pgoffload.register_worker('w', 'none', 'none', 'test')"));
  }

  @Override
  public String worker() {
    return "w";
  }

  @Override
  public long epoch() {
    return epoch;
  }

  @Override
  public void recover(long lost) {}

  DatabaseAddress admin() {
    return database.address();
  }

  TaskDatabase tasks() {
    return tasksAt(admin().port());
  }

  TaskDatabase tasksAt(int port) {
    return new TaskDatabase(admin().host(), port, admin().database(), Map.of());
  }

  /// The worker's own connections.
  DataSource worker(String name) {
    var source = new PGSimpleDataSource();
    source.setUrl(admin().jdbcUrl());
    source.setUser("pgoffload_worker");
    source.setApplicationName(name);
    return source;
  }

  /// As the worker asks it.
  TaskRecords roles() {
    return new TaskRecords(worker("test"), this);
  }

  long oid(String role) throws SQLException {
    return Long.parseLong(query("select '" + role + "'::regrole::oid"));
  }

  Connection as(String role) throws SQLException {
    return DriverManager.getConnection(admin().jdbcUrl(), role, "");
  }

  /// A request that a role inserts, in a session with these settings.
  ///
  /// @param settings statements that come before
  SqlTask launch(String role, String settings, String command) throws SQLException {
    return launch(role, settings, command, null, 65_536);
  }

  SqlTask launch(
      String role, String settings, String command, @Nullable String label, int queueSize)
      throws SQLException {
    try (var connection = as(role);
        var statement = connection.createStatement()) {
      statement.execute(settings);
      long id;
      try (var insert =
          connection.prepareStatement(
              "insert into sql_request (command, label) values (?, ?) returning id")) {
        insert.setString(1, command);
        insert.setString(2, label);
        var row = insert.executeQuery();
        row.next();
        id = row.getLong(1);
      }
      return new SqlTask(
          new RequestKey(
              id, UUID.fromString(query("select nonce from sql_request where id = " + id))),
          new SqlTask.Launcher(
              role,
              Long.parseLong(query("select requested_by_oid from sql_request where id = " + id)),
              Long.parseLong(query("select login_oid from sql_request where id = " + id))),
          new SqlTask.Command(
              command, label, query("select settings from sql_request where id = " + id)),
          new SqlTask.Rows(queueSize, true),
          TestTasks.FREE,
          Instant.now(),
          null);
    }
  }

  void execute(String sql) {
    database.execute(sql);
  }

  /// The first row as text, its columns separated by a bar.
  String query(String sql) {
    return database.query(sql);
  }

  void restart() {
    database.server().stop();
    database.server().startAgain();
  }

  @Override
  public void close() {
    database.close();
  }
}
