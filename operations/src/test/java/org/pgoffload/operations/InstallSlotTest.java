package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Secret;
import org.pgoffload.schema.InstallException;
import org.pgoffload.schema.OnPostgresVersions;
import org.pgoffload.schema.TestServer;

final class InstallSlotTest extends OnPostgresVersions {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @Test
  void createsTheSlotOnce() {
    var slot = database.address().database() + "_made";
    assertThat(InstallSlot.run(database.address(), slot, PATIENCE, _ -> {}))
        .contains("created replication slot " + slot);
    assertThat(InstallSlot.run(database.address(), slot, PATIENCE, _ -> {})).isEmpty();
    assertThat(
            database
                .admin()
                .rows(
                    "select plugin, database, temporary"
                        + (database.isAtLeast(17) ? ", failover" : "")
                        + " from pg_replication_slots where slot_name = ?",
                    slot))
        .containsExactly(
            "pgoutput|"
                + database.address().database()
                + "|f"
                + (database.isAtLeast(17) ? "|t" : ""));
  }

  @Test
  void saysWhomItWaitsForAndGivesUpInTime() {
    var said = new CopyOnWriteArrayList<String>();
    var slot = database.address().database() + "_waits";
    try (var writer = database.open("app")) {
      writer.run("begin");
      writer.run("select llm_submit('p')");
      var pid = writer.number("select pg_backend_pid()");
      assertThatThrownBy(
              () -> InstallSlot.run(database.address(), slot, Duration.ofMillis(2500), said::add))
          .isInstanceOf(InstallException.class)
          .hasMessageContaining(slot)
          .hasMessageContaining("did not end within 2 s")
          .hasMessageContaining("run install again");
      assertThat(said).isNotEmpty();
      assertThat(said.getFirst())
          .startsWith(
              "waiting for the transaction of pid " + pid + " (app test, idle in transaction");
      writer.run("rollback");
    }
    assertThat(slots(slot)).isEmpty();
    assertThat(InstallSlot.run(database.address(), slot, PATIENCE, _ -> {})).isPresent();
  }

  @Test
  void saysWhomItWaitsForAlsoToARoleThatSeesNoOthersActivity() {
    var said = new CopyOnWriteArrayList<String>();
    var slot = database.address().database() + "_blind";
    var role = database.address().database() + "_capture";
    database.admin().run("create role " + role + " login replication password '" + role + "'");
    try (var writer = database.open("app")) {
      writer.run("begin");
      writer.run("select llm_submit('p')");
      var pid = writer.number("select pg_backend_pid()");
      assertThatThrownBy(() ->
              InstallSlot.run(
                  database.address().as(role, Secret.of(role)),
                  slot,
                  Duration.ofMillis(2500),
                  said::add))
          .isInstanceOf(InstallException.class);
      assertThat(said).isNotEmpty();
      assertThat(said.getFirst())
          .startsWith("waiting for the transaction of pid " + pid + " (app ");
      writer.run("rollback");
    } finally {
      database.admin().run("drop role " + role);
    }
  }

  @Test
  void refusesASlotOfAnotherDatabaseOrPlugin() {
    var other = TestServer.of(version).newDatabase();
    try {
      assertThatThrownBy(() ->
              InstallSlot.run(database.address(), other.address().database(), PATIENCE, _ -> {}))
          .isInstanceOf(InstallException.class)
          .hasMessageContaining("belongs to database " + other.address().database())
          .hasMessageContaining("--slot")
          .hasMessageContaining("--topic-prefix");
    } finally {
      other.close();
    }
    var slot = database.address().database() + "_foreign";
    database.admin().run("select pg_create_logical_replication_slot(?, 'test_decoding')", slot);
    assertThatThrownBy(() -> InstallSlot.run(database.address(), slot, PATIENCE, _ -> {}))
        .isInstanceOf(InstallException.class)
        .hasMessageContaining("with plugin test_decoding");
  }

  @Test
  void saysThatTheRoleMayNot() {
    assertThatThrownBy(() ->
            InstallSlot.run(database.address().as("app", Secret.of("app")), "s", PATIENCE, _ -> {}))
        .isInstanceOf(InstallException.class)
        .hasMessageContaining("replication slot s could not be created");
    assertThat(slots("s")).isEmpty();
  }

  private List<String> slots(String name) {
    return database
        .admin()
        .rows("select slot_name from pg_replication_slots where slot_name = ?", name);
  }
}
