package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.pgoffload.schema.OnPostgresVersions;
import org.pgoffload.schema.TestDatabase;

/// How many requests wait: the number, or that it is at least one.
final class QueueDepthTest extends OnPostgresVersions {
  private static final String QUEUE =
      "select state, detail from llm_health where \"check\" = 'queue'";

  @Test
  void countsAllThatWaitAndSaysWhenItDoesNot() throws Exception {
    var admin = database.admin();
    assertThat(admin.rows(QUEUE))
        .containsExactly("ok|no request has waited for a worker for more than a minute");
    ask(database, 1, "3 days 00:00:30");
    ask(database, 8_999, "2 min");
    admin.run(
        "insert into sql_request (command, created_at) select 'select 1', clock_timestamp() - interval '2 min' from generate_series(1, 3000)");
    assertThat(admin.value("select waiting || ' ' || at_least from pgoffload.queue_depth('1 min')"))
        .isEqualTo("12000 false");
    assertThat(admin.value(QUEUE.replace("state, ", "")))
        .startsWith(
            "12000 requests wait for a worker for more than a minute, the oldest for 3 days");

    // more than are looked at, and the oldest beyond them
    ask(database, 3_425, "2 min");
    assertThat(admin.value(QUEUE.replace("state, ", "")))
        .startsWith("at least 13000 requests wait")
        .contains("the oldest for at least 3 days");
    var queue = InstallationStatus.read(database.address()).queue();
    assertThat(queue.atLeast()).isTrue();
    assertThat(queue.waiting()).isEqualTo(13_000);
  }

  private static void ask(TestDatabase database, int count, String ago) {
    // without a message for each
    database.admin().run("set session_replication_role = replica");
    database
        .admin()
        .run(
            "insert into llm_request (prompt, created_at) select 'p', clock_timestamp() - ?::interval from generate_series(1, ?)",
            ago,
            count);
  }
}
