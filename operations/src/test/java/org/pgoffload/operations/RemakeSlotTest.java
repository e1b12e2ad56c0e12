package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.sql.SQLException;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.schema.InstallException;
import org.pgoffload.schema.InstalledDatabase;

final class RemakeSlotTest {
  @AutoClose private final InstalledDatabase database = new InstalledDatabase(PostgresVersion.V16);

  private final RemakeSlot remake = new RemakeSlot(database.address());

  @Test
  void makesTheSlotAndTheBreakAfterAPromotionAndOnlyThen() throws SQLException {
    database.execute("update pgoffload.setting set value = 'remade_test' where name = 'slot'");
    database.query("insert into llm_request (prompt) values ('p') returning id");
    // no promotion: an administrator is to know why there is no slot
    assertThat(remake.once()).isEmpty();
    database.query("select pgoffload.prepare_timeline()::text");
    database.query("select pgoffload.begin_timeline(1, null, 'accepted')");
    // however often it is tried in vain, it is one break, and one sweep
    database.execute("update pgoffload.setting set value = 'no name' where name = 'slot'");
    for (int attempt = 0; attempt < 3; attempt++) {
      assertThatThrownBy(remake::once).isInstanceOf(InstallException.class);
    }
    database.execute("update pgoffload.setting set value = 'remade_test' where name = 'slot'");
    assertThat(remake.once()).contains("created replication slot remade_test");
    assertThat(
            database.query(
                "select string_agg(reason, ' ' order by number) from pgoffload.capture_break"
                    + " where first_id is not null"))
        .isEqualTo("promoted slot_created");
    assertThat(remake.once()).isEmpty();
    database.query("select pg_drop_replication_slot('remade_test')::text");
  }

  @Test
  @Timeout(60)
  void givesUpAServerThatSaysNothing() throws SQLException {
    try (var other = database.address().connect("test");
        var statement = other.createStatement()) {
      other.setAutoCommit(false);
      statement.execute("lock table pgoffload.setting in access exclusive mode");
      assertThatThrownBy(remake::once).isInstanceOf(SQLException.class);
    }
  }
}
