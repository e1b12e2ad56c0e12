package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;
import static org.pgoffload.dev.tests.Sql.value;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.launcher.Part;
import org.pgoffload.platform.DatabaseAddress;

/// Requests of earlier days cost new ones nothing: nothing on the way of a request looks into the
/// partition of an old range of ids, or reads a new one from its beginning to its end.
@Timeout(600)
final class OldRequestsTest extends OnSharedInstallation {
  private static final int RANGES = 4;

  @TempDir Path directory;

  @Test
  void noPartOfTheWayLooksAtOldPartitions() throws Exception {
    try (var own = OwnDatabase.create(installation, "growth", "growth")) {
      assertThat(own.ran("install")).contains("Installed into");
      var environment = own.environment();
      environment.put("LLM_PROVIDER", "echo");
      // what a session did is told when it ends
      work(own, environment);
      grow(own.admin());
      work(own, environment);
      try (var admin = own.admin().connect("test")) {
        assertThat(scans(admin, "number between 1 and " + (RANGES - 2), "idx_scan + seq_scan"))
            // that of range 0 has what was asked before
            .as("scans of old partitions")
            .isEmpty();
        assertThat(scans(admin, "number = " + RANGES, "seq_scan"))
            .as("new partitions that are read whole")
            .isEmpty();
        // the check itself sees what is looked at
        assertThat(scans(admin, "number = " + RANGES, "idx_scan")).isNotEmpty();
      }
    }
  }

  private void work(OwnDatabase own, Map<String, String> environment) throws Exception {
    try (var _ =
        own.start(directory, EnumSet.of(Part.PRODUCER, Part.WORKER, Part.RESULTS), environment)) {
      askEachWay(own.application());
    }
  }

  private static void grow(DatabaseAddress database) throws SQLException {
    try (var admin = database.connect("test")) {
      for (int i = 0; i < RANGES; i++) {
        execute(admin, "select pgoffload.make_partitions(pgoffload.current_id_range() + 1)");
        execute(admin, "select pgoffload.begin_id_range()");
      }
    }
    try (var admin = database.connect("test")) {
      await()
          .atMost(PATIENCE)
          .until(() ->
              value(
                      admin,
                      "select count(*) from pg_stat_activity where datname = current_database()"
                          + " and backend_type = 'client backend'")
                  .equals("1"));
      execute(admin, "select pg_stat_reset()");
    }
  }

  private static void askEachWay(DatabaseAddress database) throws SQLException {
    try (var app = database.connect("test")) {
      // until its plans are kept
      for (int i = 0; i < 8; i++) {
        var id = value(app, "insert into llm_request (prompt) values ('p') returning id");
        value(app, "select status from llm_wait(array[" + id + "::bigint], '60 s')");
        value(app, "select llm_status(" + id + "), llm_result(" + id + ")");
        value(app, "select llm_ask('p')");
        query(app, "select answer from llm_ask_many(array['p', 'q'])");
        var handle = "pg_background_launch('select 1', 0, null)";
        value(
            app,
            "select n from "
                + handle
                + " h, lateral pg_background_result(h.pid, h.cookie) as (n int)");
        var task = value(app, "insert into sql_request (command) values ('select 1') returning id");
        value(app, "select status from llm_wait(array[" + task + "::bigint], '60 s')");
        value(app, "select sql_status(" + task + ")");
        query(app, "select * from sql_rows(" + task + ") as (n int)");
      }
    }
  }

  private static List<String> scans(Connection admin, String where, String count)
      throws SQLException {
    return query(
        admin,
        "select relname || ': ' || "
            + count
            + " from (select relname, coalesce(idx_scan, 0) as idx_scan, seq_scan,"
            + " substring(relname from '_([0-9]+)$')::int as number"
            + " from pg_stat_user_tables where schemaname = 'pgoffload') s where "
            + count
            + " > 0 and "
            + where
            + " order by 1");
  }
}
