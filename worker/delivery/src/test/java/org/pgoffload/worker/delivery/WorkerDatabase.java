package org.pgoffload.worker.delivery;

import java.sql.SQLException;
import java.util.Map;
import javax.sql.DataSource;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Secret;
import org.pgoffload.schema.InstallSchema;
import org.postgresql.ds.PGSimpleDataSource;

/// A real PostgreSQL with the schema, and the worker's own way to it.
public final class WorkerDatabase implements AutoCloseable {
  private final PostgresServer postgres;
  private final DatabaseAddress admin;

  public WorkerDatabase() throws SQLException {
    postgres = PostgresServer.start(PostgresOptions.temporary("secret"));
    admin =
        new DatabaseAddress(
            postgres.host(),
            postgres.port(),
            "postgres",
            "postgres",
            Secret.of("secret"),
            Map.of());
    InstallSchema.run(admin, "public");
    execute("alter role pgoffload_worker login password 'secret'");
  }

  /// As the role pgoffload_worker.
  public DataSource worker() {
    var source = new PGSimpleDataSource();
    source.setURL(postgres.jdbcUrl("postgres", "pgoffload_worker", "secret"));
    return source;
  }

  public void execute(String sql) throws SQLException {
    try (var connection = admin.connect("test");
        var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /// The first column of the first row, as text.
  public String query(String sql) throws SQLException {
    try (var connection = admin.connect("test");
        var statement = connection.createStatement();
        var row = statement.executeQuery(sql)) {
      row.next();
      return String.valueOf(row.getString(1));
    }
  }

  @Override
  public void close() {
    postgres.close();
  }
}
