package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.zip.ZipInputStream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.schema.OnEveryPostgres;
import org.pgoffload.schema.TestDatabase;
import org.pgoffload.schema.TestServer;

/// A newer version is installed over one that works: over the migrations up to 005, as they were.
@Timeout(120)
final class UpgradeTest {
  /// Of the functions that are no more: those that pg_background 2.0 gave other arguments or
  /// another result, and private ones that no part of the older version calls by itself.
  private static final List<String> REPLACED =
      List.of(
          "pg_background_cancel_v2(integer,bigint)",
          "pg_background_wait_v2(integer,bigint)",
          "pg_background_stats_v2()",
          "pg_background_get_progress_v2(integer,bigint)",
          "pgoffload.attach(bigint)",
          "pgoffload.result_types(jsonb)",
          "pgoffload.declared_type(text[],text)",
          "pgoffload.read_under(jsonb)");

  @TempDir Path directory;

  static List<PostgresVersion> versions() {
    return OnEveryPostgres.versions();
  }

  @ParameterizedTest
  @MethodSource("versions")
  void keepsEveryRequestWhileAnOlderWorkerWorksOn(PostgresVersion version) throws Exception {
    var server = TestServer.of(version);
    server.newDatabase().close(); // the roles exist
    var address = server.newEmptyDatabase();
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      assertThat(installBefore(address)).contains("applied 005 llm calls");
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
        var asked =
            CompletableFuture.supplyAsync(
                () -> asking.value("select llm_ask('p', timeout => '60 s')"), threads);
        var askedSent = database.awaitSent();
        var before = interfaces(database);

        assertThat(InstallSchema.run(address, "public"))
            .contains("applied 006 retention and capture");

        assertThat(interfaces(database))
            .containsAll(
                before.stream()
                    .filter(object ->
                        REPLACED.stream().noneMatch(name -> object.contains("|" + name + "|")))
                    .toList());
        // what pg_background 2.0 changed of them is called as before
        ann.rows("select pg_background_wait_v2(null, null), pg_background_cancel_v2(null, null)");
        ann.rows("select workers_active from pg_background_stats_v2()");
        ann.rows("select progress_pct from pg_background_get_progress_v2(null, null)");
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

  private List<String> installBefore(DatabaseAddress address) throws IOException {
    try (var zip =
        new ZipInputStream(
            Objects.requireNonNull(
                UpgradeTest.class.getResourceAsStream("migrations-to-005.zip")))) {
      for (var entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
        Files.write(directory.resolve(entry.getName()), zip.readAllBytes());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return InstallSchema.migrate(
        address, "filesystem:" + directory, Map.of("public_schema", "public"));
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
