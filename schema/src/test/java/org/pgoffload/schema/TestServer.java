package org.pgoffload.schema;

import java.nio.file.Path;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Secret;

/// One server per version, started when it is first asked for and ended with the JVM: each test
/// class has a database of its own. Nothing on it has to survive a crash of the machine.
///
/// - `app`, an ordinary login that is a member of llm_user; `lead`, a member of it
/// - `mallory`, another member of llm_user, who may create objects where it can
/// - `ann` and `bea`, members of pgbackground_role; `chief`, one of it and of `ann`
/// - `nobody`, who was granted nothing
/// - `worker_login` and `results_login`, members of the parts' roles
///
/// The passwords of these are their names, which only the databases `postgres` and `passwords` ask
/// for: in each session it would be most of the work. Of roles that tests make, these log in
/// without one too: the parts' own, `alice`, `bob`, `va` and `old_va`; `nologin` never does.
public final class TestServer {
  private static final String PASSWORD = "postgres";
  private static final String TEMPLATE = "installed";
  private static final String PASSWORDS = "passwords";
  private static final List<String> ROLES =
      List.of(
          "app",
          "mallory",
          "lead",
          "ann",
          "bea",
          "chief",
          "nobody",
          "ops",
          "worker_login",
          "results_login");
  private static final List<String> AUTHENTICATION =
      List.of(
          "host postgres," + PASSWORDS + " all 127.0.0.1/32 scram-sha-256",
          "host all nologin 127.0.0.1/32 reject",
          "host all postgres,"
              + String.join(",", ROLES)
              + ",pgoffload_producer,pgoffload_worker,pgoffload_results,alice,bob,va,old_va"
              + " localhost trust");
  private static final Map<PostgresVersion, TestServer> STARTED =
      new EnumMap<>(PostgresVersion.class);

  private final PostgresVersion version;
  private final AtomicInteger databases = new AtomicInteger();
  private PostgresServer server;

  private TestServer(PostgresVersion version) {
    this.version = version;
    var settings = new HashMap<String, String>();
    settings.put("fsync", "off");
    // the shorter, the more databases there are
    settings.put("autovacuum_naptime", "1h");
    // it flushes whole pages: who reads a slot would wait for the rest of a record that goes over
    // into
    // the next one, up to 15 s on a quiet server
    settings.put("wal_writer_delay", "10s");
    settings.put("max_replication_slots", "20");
    settings.put("listen_addresses", "127.0.0.1,::1");
    if (version.compareTo(PostgresVersion.V17) >= 0) {
      // the least, so that the queue of notifications can be filled
      settings.put("max_notify_queue_pages", "64");
    }
    this.server =
        PostgresServer.start(
            PostgresOptions.temporary(PASSWORD)
                .withVersion(version)
                .withSettings(settings)
                .withAuthentication(AUTHENTICATION, List.of()));
    try (var admin = Session.open(admin("postgres"))) {
      admin.run("create database " + TEMPLATE);
    }
    InstallSchema.run(admin(TEMPLATE), InstallSchema.DEFAULT_PUBLIC_SCHEMA);
    try (var admin = Session.open(admin(TEMPLATE))) {
      for (var role : ROLES) {
        admin.run("create role " + role + " login password '" + role + "'");
      }
      admin.run("grant llm_user to app, mallory");
      admin.run("grant app to lead");
      admin.run("grant pgbackground_role to ann, bea, chief, mallory");
      admin.run("grant ann to chief");
      admin.run("grant pgoffload_operator to ops");
      admin.run("grant pgoffload_worker to worker_login");
      admin.run("grant pgoffload_results to results_login");
    }
  }

  public static synchronized TestServer of(PostgresVersion version) {
    return STARTED.computeIfAbsent(version, TestServer::new);
  }

  /// The superuser's way into a database.
  public DatabaseAddress admin(String database) {
    return address(server, database, "postgres");
  }

  /// The way into a database of a role whose password is its name.
  public static DatabaseAddress address(PostgresServer server, String database, String role) {
    return new DatabaseAddress(
        server.host(), server.port(), database, role, Secret.of(role), Map.of());
  }

  /// A database without the schema, whose roles are there all the same.
  public DatabaseAddress newEmptyDatabase() {
    return create("empty_" + databases.incrementAndGet(), "template1");
  }

  /// A database with the schema installed and an identity of its own, for a test that captures
  /// nothing or makes its own slot.
  public DatabaseAddress newInstalledDatabase() {
    return newInstalledDatabase("test_" + databases.incrementAndGet());
  }

  DatabaseAddress newInstalledDatabase(String name) {
    var address = create(name, TEMPLATE);
    try (var admin = Session.open(address)) {
      admin.run("select pgoffload.adopt()");
    }
    return address;
  }

  /// The same with a slot.
  public TestDatabase newDatabase() {
    return newDatabase(newInstalledDatabase());
  }

  private TestDatabase newDatabase(DatabaseAddress address) {
    try (var admin = Session.open(address)) {
      admin.run("grant create on schema public to mallory");
    }
    return withSlot(address);
  }

  /// A database in which the schema is, with a slot from now on.
  TestDatabase withSlot(DatabaseAddress address) {
    try (var admin = Session.open(address)) {
      admin.run("select pg_create_logical_replication_slot(?, 'pgoutput')", address.database());
    }
    return new TestDatabase(this, address, address.database());
  }

  /// A database with the schema that asks every role for its password; there is one at a time.
  public TestDatabase newDatabaseWithPasswords() {
    return newDatabase(newInstalledDatabase(PASSWORDS));
  }

  /// Ends the server as a crash would, until [#startAgain()].
  public void stop() {
    server.stopImmediately();
  }

  /// Starts it on the same port with what it had.
  public void startAgain() {
    server = PostgresServer.start(server.options());
  }

  /// The server's own directory.
  public Path dataDirectory() {
    return server.dataDirectory();
  }

  public void drop(DatabaseAddress database) {
    try (var admin = Session.open(admin("postgres"))) {
      admin.run(
          "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = ?",
          database.database());
      admin.run("drop database " + quoted(database.database()) + " with (force)");
    }
  }

  public PostgresVersion version() {
    return version;
  }

  private DatabaseAddress create(String name, String template) {
    try (var admin = Session.open(admin("postgres"))) {
      admin.run("create database " + quoted(name) + " template " + template);
    }
    return admin(name);
  }

  private static String quoted(String name) {
    return '"' + name.replace("\"", "\"\"") + '"';
  }
}
