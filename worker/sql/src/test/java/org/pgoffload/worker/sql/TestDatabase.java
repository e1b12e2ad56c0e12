package org.pgoffload.worker.sql;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.protocol.Secret;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.worker.delivery.lease.WorkerLease;
import org.pgoffload.worker.sql.sessions.SqlTask;
import org.postgresql.ds.PGSimpleDataSource;

/// A real PostgreSQL with the schema, where `alice` and `bob` may launch SQL, and one live worker.
final class TestDatabase implements AutoCloseable, WorkerLease {
  private static final String PASSWORD = "secret";

  private PostgresServer postgres;
  private final long epoch;

  TestDatabase() throws SQLException {
    postgres =
        PostgresServer.start(
            PostgresOptions.temporary(PASSWORD)
                .withAuthentication(
                    List.of(
                        "host all alice,bob,va,old_va,pgoffload_worker 127.0.0.1/32 trust",
                        "host all nologin 127.0.0.1/32 reject",
                        "host all expired 127.0.0.1/32 scram-sha-256"),
                    List.of())
                // a failing session must not hold up the tests
                .withSettings(Map.of("max_connections", "60")));
    InstallSchema.run(admin(), "public");
    execute(
        """
        update pgoffload.setting set value = '1 hour' where name = 'worker_dead_after';
        alter role pgoffload_worker login;
        create role alice login; create role bob login; create role nologin login; create role team;
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
    return new DatabaseAddress(
        postgres.host(), postgres.port(), "postgres", "postgres", Secret.of(PASSWORD), Map.of());
  }

  TaskDatabase tasks() {
    return tasksAt(postgres.port());
  }

  TaskDatabase tasksAt(int port) {
    return new TaskDatabase(postgres.host(), port, "postgres", Map.of());
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
          id,
          role,
          Long.parseLong(query("select requested_by_oid from sql_request where id = " + id)),
          Long.parseLong(query("select login_oid from sql_request where id = " + id)),
          command,
          label,
          queueSize,
          query("select settings from sql_request where id = " + id),
          null,
          null,
          0,
          true,
          null,
          Instant.now(),
          null);
    }
  }

  void execute(String sql) throws SQLException {
    try (var connection = admin().connect("test");
        var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /// The first column of the first row, as text.
  String query(String sql) throws SQLException {
    try (var connection = admin().connect("test");
        var statement = connection.createStatement();
        var row = statement.executeQuery(sql)) {
      row.next();
      return String.valueOf(row.getString(1));
    }
  }

  void restart() {
    postgres.stopImmediately();
    postgres = PostgresServer.start(postgres.options());
  }

  @Override
  public void close() {
    postgres.close();
  }
}
