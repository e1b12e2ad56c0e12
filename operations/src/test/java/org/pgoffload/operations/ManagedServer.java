package org.pgoffload.operations;

import java.util.Map;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.schema.Session;
import org.pgoffload.schema.TestServer;

/// A server of one test, on which no superuser has made the roles before. Its administrator is as a
/// managed server's: no superuser, but with CREATEROLE, REPLICATION and the ownership of the
/// database.
public record ManagedServer(PostgresServer server) implements AutoCloseable {
  public static ManagedServer start(PostgresVersion version) {
    var server =
        PostgresServer.start(
            PostgresOptions.temporary("postgres")
                .withVersion(version)
                .withSettings(Map.of("fsync", "off")));
    var managed = new ManagedServer(server);
    try (var postgres = Session.open(managed.superuser())) {
      postgres.run("create role manager login createrole createdb replication password 'manager'");
      postgres.run("create database shop owner manager");
    }
    return managed;
  }

  /// The vendor's own login.
  public DatabaseAddress superuser() {
    return TestServer.address(server, "postgres", "postgres");
  }

  /// The administrator's, into the database `shop`.
  public DatabaseAddress manager() {
    return TestServer.address(server, "shop", "manager");
  }

  @Override
  public void close() {
    server.close();
  }
}
