package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.schema.Session;
import org.pgoffload.schema.TestServer;

/// A slot on its way to being lost, on a server of its own, because others' slots would be lost
/// too.
@Timeout(120)
final class SlotHealthTest {
  @Test
  void warnsLongBeforeTheSlotIsLostAndSaysWhatToDo() {
    try (var server =
        PostgresServer.start(
            PostgresOptions.temporary("postgres")
                .withSettings(
                    Map.of(
                        "fsync", "off",
                        "max_slot_wal_keep_size", "128MB",
                        "min_wal_size", "32MB",
                        "max_wal_size", "64MB")))) {
      var address = TestServer.address(server, "postgres", "postgres");
      InstallSchema.run(address, "public");
      InstallSlot.run(address, "own", Duration.ofSeconds(30), _ -> {});
      InstallSlot.record(address, "own");
      try (var admin = Session.open(address)) {
        assertThat(capture(admin)).startsWith("warning|nobody reads from replication slot own");
        write(admin, 70);
        assertThat(capture(admin))
            .startsWith("warning|replication slot own retains ")
            .contains("beyond max_slot_wal_keep_size = 128MB it is lost");
        write(admin, 40);
        assertThat(capture(admin)).startsWith("error|replication slot own retains ");
        write(admin, 100);
        await()
            .atMost(Duration.ofSeconds(30))
            .until(() -> {
              admin.run("checkpoint");
              return capture(admin).startsWith("error|replication slot own is lost");
            });
        assertThat(capture(admin))
            .contains("select pg_drop_replication_slot('own')", "pgoffload install");
      }
    }
  }

  private static String capture(Session admin) {
    return admin
        .rows("select state, detail, advice from llm_health where \"check\" = 'capture'")
        .getFirst();
  }

  private static void write(Session admin, int megabytes) {
    admin.run(
        "select count(pg_logical_emit_message(false, 'test', repeat('x', 1 << 20))) from generate_series(1, ?)",
        megabytes);
  }
}
