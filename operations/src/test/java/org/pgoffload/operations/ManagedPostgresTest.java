package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.operations.retention.RemoveOldRequests;
import org.pgoffload.protocol.Secret;
import org.pgoffload.schema.ForPostgresVersions;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.schema.Session;

/// What docs/managed-postgresql.md says, with the rights of a managed server's administrator: no
/// superuser, but CREATEROLE, REPLICATION and the ownership of the database. On a server of its
/// own, where no superuser has made the roles before.
final class ManagedPostgresTest {
  @ForPostgresVersions
  void anAdministratorWhoIsNoSuperuserInstallsAndRunsEverything(PostgresVersion version)
      throws Exception {
    try (var server = ManagedServer.start(version)) {
      var manager = server.manager();

      assertThat(InstallSchema.run(manager, "public")).isNotEmpty();
      assertThat(InstallSchema.run(manager, "public")).isEmpty();
      assertThat(InstallSlot.run(manager, "pgoffload", Duration.ofSeconds(30), _ -> {}))
          .contains("created replication slot pgoffload");

      try (var shop = Session.open(manager)) {
        assertThat(shop.value("select rolsuper from pg_roles where rolname = current_user"))
            .isEqualTo("f");
        // on 15 only a superuser, or the vendor, can give it; and nobody else can alter the role
        // afterwards, so that its login comes first
        assertThat(
                shop.value(
                    "select rolreplication from pg_roles where rolname = 'pgoffload_producer'"))
            .isEqualTo(version == PostgresVersion.V15 ? "f" : "t");
        for (var part : new String[] {"producer", "worker", "results"}) {
          shop.run("alter role pgoffload_" + part + " login password '" + part + "'");
        }
        if (version == PostgresVersion.V15) {
          try (var vendor = Session.open(server.superuser())) {
            vendor.run("alter role pgoffload_producer replication");
          }
        }
        shop.run("create role app login password 'app'");
        shop.run("grant llm_user to app");
        assertThat(shop.value("select grant_pg_background_privileges('app')")).isEqualTo("t");
      }

      long asked;
      try (var app = Session.open(manager.as("app", Secret.of("app")))) {
        // the commits after it flush its message, which on 15 waits for somebody else's
        assertThat(app.number("select pg_background_launch('select 1')")).isPositive();
        asked = app.number("insert into llm_request (prompt) values ('p') returning id");
        assertThat(app.number("insert into sql_request (command) values ('select 1') returning id"))
            .isGreaterThan(asked);
        assertThat(app.value("select llm_status(?)", asked)).isEqualTo("queued");
      }

      // what the producer does with its login
      try (var producer = Session.open(manager.as("pgoffload_producer", Secret.of("producer")))) {
        assertThat(producer.value("select pgoffload.is_copy()")).isEqualTo("f");
        assertThat(producer.rows("select state, detail from pgoffload.slot_health('pgoffload')"))
            .singleElement()
            .asString()
            .startsWith("warning|")
            .contains("nobody reads");
        assertThat(producer.rows("select number is null from pgoffload.next_sweep()"))
            .containsExactly("t");
        assertThat(
                producer.number(
                    """
                    select count(*) from pg_logical_slot_peek_binary_changes('pgoffload', null, null,
                      'proto_version', '1', 'publication_names', 'pgoffload', 'messages', 'true')
                    where get_byte(data, 0) = ascii('M')
                    """))
            .isEqualTo(3);
      }

      // what maintain, an upgrade, a lost slot and a copy need, by the administrator
      RemoveOldRequests.run(manager, true);
      try (var shop = Session.open(manager)) {
        shop.run("select * from llm_health");
        shop.run("select pg_drop_replication_slot('pgoffload')");
      }
      RecordCaptureBreak.plan(manager, "slot_created");
      assertThat(InstallSlot.run(manager, "pgoffload", Duration.ofSeconds(30), _ -> {}))
          .isPresent();
      assertThat(RecordCaptureBreak.complete(manager)).isPresent();
      try (var shop = Session.open(manager)) {
        assertThat(shop.value("select pgoffload.adopt()")).isNotEmpty();
        assertThat(shop.value("select revoke_pg_background_privileges('app')")).isEqualTo("t");
      }
    }
  }
}
