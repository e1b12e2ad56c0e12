package org.pgoffload.worker.delivery;

import javax.sql.DataSource;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.schema.InstalledDatabase;
import org.postgresql.ds.PGSimpleDataSource;

/// A database with the schema, and the worker's own way to it.
public final class WorkerDatabase implements AutoCloseable {
  private final InstalledDatabase database = new InstalledDatabase(PostgresVersion.V18);

  public WorkerDatabase() {
    execute("alter role pgoffload_worker login");
  }

  /// As the role pgoffload_worker.
  public DataSource worker() {
    var source = new PGSimpleDataSource();
    source.setURL(database.address().jdbcUrl());
    source.setUser("pgoffload_worker");
    return source;
  }

  public void execute(String sql) {
    database.execute(sql);
  }

  /// The first row as text, its columns separated by a bar.
  public String query(String sql) {
    return database.query(sql);
  }

  @Override
  public void close() {
    database.close();
  }
}
