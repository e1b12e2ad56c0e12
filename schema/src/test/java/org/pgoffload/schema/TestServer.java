package org.pgoffload.schema;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Secret;

/// One server per version, started when it is first asked for and ended with the JVM. Its roles'
/// passwords are their names:
///
/// - `app`, an ordinary login that is a member of llm_user; `lead`, a member of it
/// - `mallory`, another member of llm_user, who may create objects where it can
/// - `ann` and `bea`, members of pgbackground_role; `chief`, one of it and of `ann`
/// - `nobody`, who was granted nothing
/// - `worker_login` and `results_login`, members of the parts' roles
public final class TestServer {
  private static final String PASSWORD = "postgres";
  private static final String TEMPLATE = "installed";
  private static final Map<PostgresVersion, TestServer> STARTED =
      new EnumMap<>(PostgresVersion.class);

  private final PostgresVersion version;
  private final PostgresServer server;
  private final AtomicInteger databases = new AtomicInteger();

  private TestServer(PostgresVersion version) {
    this.version = version;
    // nothing here has to survive a crash
    this.server =
        PostgresServer.start(
            PostgresOptions.temporary(PASSWORD)
                .withVersion(version)
                .withSettings(Map.of("fsync", "off", "max_replication_slots", "20")));
    try (var admin = Session.open(admin("postgres"))) {
      admin.run("create database " + TEMPLATE);
    }
    InstallSchema.run(admin(TEMPLATE), InstallSchema.DEFAULT_PUBLIC_SCHEMA);
    try (var admin = Session.open(admin(TEMPLATE))) {
      for (var role :
          new String[] {
            "app",
            "mallory",
            "lead",
            "ann",
            "bea",
            "chief",
            "nobody",
            "worker_login",
            "results_login"
          }) {
        admin.run("create role " + role + " login password '" + role + "'");
      }
      admin.run("grant llm_user to app, mallory");
      admin.run("grant app to lead");
      admin.run("grant pgbackground_role to ann, bea, chief, mallory");
      admin.run("grant ann to chief");
      admin.run("grant pgoffload_worker to worker_login");
      admin.run("grant pgoffload_results to results_login");
    }
  }

  public static synchronized TestServer of(PostgresVersion version) {
    return STARTED.computeIfAbsent(version, TestServer::new);
  }

  /// The superuser's way into a database.
  public DatabaseAddress admin(String database) {
    return new DatabaseAddress(
        server.host(), server.port(), database, "postgres", Secret.of(PASSWORD), Map.of());
  }

  /// An empty database.
  public DatabaseAddress newEmptyDatabase() {
    return create("empty_" + databases.incrementAndGet(), "template1");
  }

  /// A database with the schema installed, an identity and a slot of its own.
  public TestDatabase newDatabase() {
    var address = create("test_" + databases.incrementAndGet(), TEMPLATE);
    try (var admin = Session.open(address)) {
      admin.run("select pgoffload.adopt()");
      admin.run("grant create on schema public to mallory");
      admin.run("select pg_create_logical_replication_slot(?, 'pgoutput')", address.database());
    }
    return new TestDatabase(this, address, address.database());
  }

  public void drop(DatabaseAddress database) {
    try (var admin = Session.open(admin("postgres"))) {
      admin.run(
          "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = ?",
          database.database());
      admin.run("drop database " + database.database() + " with (force)");
    }
  }

  public PostgresVersion version() {
    return version;
  }

  private DatabaseAddress create(String name, String template) {
    try (var admin = Session.open(admin("postgres"))) {
      admin.run("create database " + name + " template " + template);
    }
    return admin(name);
  }
}
