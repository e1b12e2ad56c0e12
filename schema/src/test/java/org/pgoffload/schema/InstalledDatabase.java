package org.pgoffload.schema;

import java.util.ArrayList;
import java.util.List;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Secret;

/// A database with the schema installed, of one test class, on the server that all classes share.
/// Thread-safe.
public final class InstalledDatabase implements AutoCloseable {
  private final TestServer server;
  private final DatabaseAddress address;
  private final SessionPool sessions;
  private final List<String> roles = new ArrayList<>();

  public InstalledDatabase(PostgresVersion version) {
    this(TestServer.of(version), TestServer.of(version).newInstalledDatabase());
  }

  /// One of a name that no other has.
  public InstalledDatabase(PostgresVersion version, String name) {
    this(TestServer.of(version), TestServer.of(version).newInstalledDatabase(name));
  }

  private InstalledDatabase(TestServer server, DatabaseAddress address) {
    this.server = server;
    this.address = address;
    this.sessions = new SessionPool(() -> Session.open(address));
  }

  /// The superuser's address.
  public DatabaseAddress address() {
    return address;
  }

  /// The address of a role that logs in without a password.
  public DatabaseAddress as(String role) {
    return address.as(role, Secret.of(role));
  }

  public TestServer server() {
    return server;
  }

  /// Makes a role of the whole server, which ends with this database.
  ///
  /// @param name as SQL has it
  public synchronized void createRole(String name, String options) {
    execute("create role " + name + " " + options);
    roles.add(name);
  }

  /// Runs statements as the superuser.
  public void execute(String sql) {
    try (var borrowed = sessions.borrow()) {
      borrowed.session().run(sql);
    }
  }

  /// The first row as text, its columns separated by a bar.
  public String query(String sql) {
    try (var borrowed = sessions.borrow()) {
      return borrowed.session().rows(sql).getFirst();
    }
  }

  @Override
  public synchronized void close() {
    sessions.close();
    server.drop(address);
    if (!roles.isEmpty()) {
      try (var session = Session.open(server.admin("postgres"))) {
        session.run("drop role " + String.join(", ", roles));
      }
    }
  }
}
