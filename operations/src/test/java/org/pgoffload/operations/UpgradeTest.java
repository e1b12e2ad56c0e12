package org.pgoffload.operations;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.zip.ZipInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.operations.retention.RemoveOldRequests;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.schema.EmptyDatabase;
import org.pgoffload.schema.ForPostgresVersions;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.schema.Session;
import org.pgoffload.schema.TestDatabase;
import org.pgoffload.schema.TestServer;

/// A newer version is installed over one that works: over the migrations of the base, as they were.
///
/// The base is a copy of all migrations of the last release, which `docs/releasing.md` says how to
/// make. The version before is upgraded from; a test here keeps what it has applied from changing.
@Timeout(120)
final class UpgradeTest {
  private static final Path MIGRATIONS =
      Path.of("../schema/src/main/resources/org/pgoffload/schema/migrations");

  private static final Map<String, String> PLACEHOLDERS =
      Map.of("public_schema", "public", "pg_background_api", "1");

  /// Rows of the tables that the rest of the test leaves empty.
  private static final String ROWS =
      """
      insert into sql_request (id, command, immediate, requested_by_oid)
        values (nextval('pgoffload.request_id'), 'select 1', true, 'ann'::regrole);
      insert into pgoffload.sql_session (id, attempt, pid, started, depth, autocommit)
        select max(id), 1, 1, now(), 0, false from sql_request;
      insert into pgoffload.sql_result (id, status, requested_by_oid, attempt, chunks, finished_at)
        select max(id), 'succeeded', 'ann'::regrole, 1, 1, now() from sql_request;
      insert into pgoffload.sql_chunk (id, attempt, number, requested_by_oid, rows)
        select max(id), 1, 1, 'ann'::regrole, '[["1"]]' from sql_request;
      insert into pgoffload.sql_progress (id, attempt, pct) select max(id), 1, 50 from sql_request;
      insert into pgoffload.large_answer (id, loid) select max(id), 1 from sql_request;
      insert into pgoffload.cancellation (id, by_oid) select max(id), 'ann'::regrole from sql_request;
      insert into pgoffload.replay (id, replayed_as) select max(id), max(id) + 1 from sql_request;
      insert into pgoffload.llm_piece (id, seq, attempt, requested_by_oid, text)
        select min(id), 1, 1, 'app'::regrole, 'before' from llm_request;
      insert into pgoffload.llm_cache (scope, key, number, id) select 0, sha256(''), 1, min(id) from llm_request;
      insert into pgoffload.llm_usage_minute values
        (date_trunc('hour', now()), 'app'::regrole, 'app', 'echo', 'echo', 1, 0, 0, 1, 0, 1, 0, 1, 0);
      insert into pgoffload.llm_usage_hour values (date_trunc('hour', now()), 'app'::regrole, 'echo', 'echo', 1, 0, 1);
      insert into pgoffload.llm_price (provider, model, input_per_million) values ('echo', 'echo', 1);
      insert into pgoffload.budget (role, period, max_tokens) values ('app', 'month', 1000000);
      insert into pgoffload.capture_break (reason, first_id, swept_at, sent_again, worked_off)
        values ('slot_created', 1, now(), 0, true);
      insert into pgoffload.task_backend values (1);
      insert into pgoffload.sql_rows (id, attempt, number, requested_by_oid, columns)
        select max(id), 1, 1, 'ann'::regrole, array['{1}'] from sql_request;
      insert into pgoffload.consumer_position (topic, partition, next_offset, token)
        select 'requests.llm', 0, 1, t.token from pgoffload.server_timeline t;
      insert into pgoffload.unclaimed_result values ('results', 0, 1, 1, null, 'app'::regrole, null);
      insert into pgoffload.reranker values ('older', 1, 'm', 1);
      insert into pgoffload.worker_queue values ('none', 1, '{}');
      insert into pgoffload.pause (model) values ('no-such-model');
      insert into pgoffload.settled_letter (action, position, came_at) values (1, 'dead-letters-0@1', now());
      insert into pgoffload.maintained_column
          (name, source, declarer, login, key_columns, key_numbers, input_columns, input_numbers, literals,
           target, target_number, target_type, kind, configuration, settings, installation)
        values ('mood', 'pgoffload.setting', 'app', 'app', '{name}', '{1}', '{value}', '{2}', '{"",""}',
                'description', 3, 'text', 'ask', sha256(''), '{}', gen_random_uuid());
      insert into pgoffload.maintained_state (number) values (1);
      insert into pgoffload.maintained_row (number, row_id, key, request) values (1, gen_random_uuid(), '{a}', 1);
      insert into pgoffload.maintained_due (number, row_id, key) values (1, gen_random_uuid(), '{b}');
      insert into pgoffload.maintained_unseen values ('pgoffload.setting', 'no_such_trigger');
      insert into pgoffload.maintained_answer values (1, 1);
      insert into pgoffload.maintained_count (number) values (1);
      insert into pgoffload.maintained_sweep (number) values (1);
      """;

  /// A function of the version before with another result than this one's.
  private static final String REPLACED =
      """
      drop function pgoffload.awaited_standbys(text);
      create function pgoffload.awaited_standbys(slot text)
      returns table (name text, fault text, says_what_it_needs boolean)
      language sql as $$ select null::text, null::text, null::boolean $$
      """;

  private static final String TABLES =
      """
      select c.oid::regclass from pg_class c
      where c.relnamespace in ('pgoffload'::regnamespace, 'public'::regnamespace) and c.relkind in ('r', 'p')
        and not c.relispartition and c.relname not in ('schema_history', 'kept')
      """;

  @TempDir Path directory;

  @ForPostgresVersions
  void keepsEveryRequestWhileAnOlderWorkerWorksOn(PostgresVersion version) throws Exception {
    var server = TestServer.of(version);
    var address = server.newEmptyDatabase();
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      assertThat(installBase(address)).contains("applied 003 llm");
      InstallSlot.run(address, address.database(), Duration.ofSeconds(30), _ -> {});
      try (var database = new TestDatabase(server, address, address.database());
          var app = database.open("app");
          var asking = database.open("app");
          var ann = database.open("ann");
          var older = database.worker("older");
          var olderSql = database.sqlWorker("older-sql")) {
        // the worker renews no lease, and a busy machine must not let it run out
        database
            .admin()
            .run("update pgoffload.setting set value = '10 min' where name = 'worker_dead_after'");
        var answered = database.inserted("app");
        older.claim(database.onlySent());
        database.record(database.answered(answered, "app", "before"));
        var running = database.inserted("app");
        var runningSent = database.onlySent();
        older.claim(runningSent);
        var queued = database.inserted("app");
        var queuedSent = database.onlySent();
        var task = ann.number("insert into sql_request (command) values ('select 7') returning id");
        var taskSent = database.onlySent();
        // it waits for as long as the newer version is being installed
        asking.run("set statement_timeout = '60 s'");
        var asked =
            CompletableFuture.supplyAsync(
                () -> asking.value("select llm_ask('p', timeout => '60 s')"), threads);
        var askedSent = database.awaitSent();
        var before = interfaces(database);
        database.admin().run(ROWS);
        keepRows(database.admin());
        database.admin().run(REPLACED);

        InstallSchema.run(address, "public");

        assertThat(interfaces(database)).containsAll(before);
        assertThat(lostRows(database.admin())).isEmpty();
        assertThat(
                database
                    .admin()
                    .number("select count(advice) from pgoffload.awaited_standbys('none')"))
            .isZero();
        assertThat(older.claim(runningSent)).containsExactly("own|1");
        assertThat(older.claim(queuedSent, askedSent)).containsExactly("claimed|1", "claimed|1");
        database.record(
            database.answered(running, "app", "r"),
            database.answered(queued, "app", "q"),
            database.answered(askedSent.id(), "app", "a"));
        assertThat(asked.join()).isEqualTo("a");
        assertThat(
                app.rows(
                    "select llm_result(id) from unnest(array["
                        + answered
                        + ", "
                        + running
                        + ", "
                        + queued
                        + "]) id"))
            .containsExactly("before", "r", "q");
        olderSql.run(taskSent);
        assertThat(ann.rows("select * from sql_rows(" + task + ") as (n int)"))
            .containsExactly("7");
        // and what is asked now
        var later = database.inserted("app");
        assertThat(older.claim(database.onlySent())).containsExactly("claimed|1");
        assertThat(later).isGreaterThan(queued);
        assertThat(RemoveOldRequests.run(address, true)).isEmpty();
        assertThat(InstallSchema.run(address, "public")).isEmpty();
      }
    }
  }

  /// PostgreSQL lets everybody execute a function that is made anew.
  @ForPostgresVersions
  void aFunctionThatIsMadeAnewHasItsRightsInTheSameTransaction(PostgresVersion version)
      throws IOException {
    try (var empty = EmptyDatabase.of(version);
        var admin = Session.open(empty.address())) {
      var address = empty.address();
      installBase(address);
      var file = directory.resolve("R__13_llm_reading.sql");
      Files.writeString(file, "drop function public.llm_provider();\n" + Files.readString(file));
      assertThat(migrate(address))
          .containsExactly("replaced 13 llm reading", "replaced 98 comments", "replaced 99 rights");
      assertThat(
              admin.rows(
                  """
                  select r, has_function_privilege(r, p.oid, 'execute'), p.xmin = v.xmin
                  from unnest(array['llm_user', 'nobody']) r, pg_proc p, pg_rewrite v
                  -- of the same file, and no matter of the one with the rights
                  where p.oid = 'llm_provider'::regproc and v.ev_class = 'llm_queue'::regclass
                  """))
          .containsExactly("llm_user|t|t", "nobody|f|t");
    }
  }

  /// Flyway refuses a database in which a migration was applied that reads otherwise by now.
  @Test
  void noVersionedMigrationOfTheLastReleaseHasChanged() throws IOException {
    var compared = 0;
    try (var zip = base()) {
      for (var entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
        if (entry.getName().startsWith("V")) {
          assertThat(MIGRATIONS.resolve(entry.getName())).hasBinaryContent(zip.readAllBytes());
          compared++;
        }
      }
    }
    assertThat(compared).isGreaterThan(20);
  }

  private static ZipInputStream base() {
    return new ZipInputStream(
        Objects.requireNonNull(UpgradeTest.class.getResourceAsStream("migrations-base.zip")));
  }

  private List<String> installBase(DatabaseAddress address) throws IOException {
    try (var zip = base()) {
      for (var entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
        var text = new String(zip.readAllBytes(), UTF_8);
        // all that can be replaced is replaced, also where it is as it was
        var before = entry.getName().startsWith("R__") ? "-- of the version before\n" : "";
        Files.writeString(directory.resolve(entry.getName()), before + text);
      }
    }
    return migrate(address);
  }

  private List<String> migrate(DatabaseAddress address) {
    return InstallSchema.migrate(address, "filesystem:" + directory + "/", PLACEHOLDERS);
  }

  /// Remembers the rows of every table, each of which has to have some.
  private static void keepRows(Session admin) {
    admin.run("create table public.kept (of text, row jsonb)");
    for (var table : admin.rows(TABLES)) {
      admin.run("insert into kept select ?, to_jsonb(t) from " + table + " t", table);
      assertThat(admin.number("select count(*) from kept where of = ?", table))
          .as("rows of %s", table)
          .isPositive();
    }
  }

  /// Those that have not the values any more that they had. A table may have more columns by now.
  private static List<String> lostRows(Session admin) {
    var lost = new ArrayList<String>();
    for (var table : admin.rows("select distinct of from kept")) {
      lost.addAll(
          admin.rows(
              "select of, row from kept where of = ? and not exists (select from "
                  + table
                  + " t where to_jsonb(t) @> row)",
              table));
    }
    return lost;
  }

  /// What programs of the older version use: functions of whoever may call them, and columns.
  private static List<String> interfaces(TestDatabase database) {
    return database
        .admin()
        .rows(
            """
            select r.rolname::text, p.oid::regprocedure::text, pg_get_function_result(p.oid)
            from pg_proc p, pg_roles r
            where p.pronamespace in ('pgoffload'::regnamespace, 'public'::regnamespace)
              and r.rolname in ('llm_user', 'pgbackground_role', 'pgoffload_worker', 'pgoffload_results', 'pgoffload_producer')
              and has_function_privilege(r.oid, p.oid, 'execute')
              and p.prokind in ('f', 'a') and p.oid >= 16384
            union all
            select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)
            from pg_class c join pg_attribute a on a.attrelid = c.oid
            where c.relnamespace in ('pgoffload'::regnamespace, 'public'::regnamespace)
              and c.relkind in ('r', 'p', 'v') and a.attnum > 0 and c.relname not like 'schema_history%'
            """);
  }
}
