package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.operations.removal.RemoveSchema;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Secret;
import org.pgoffload.schema.EmptyDatabase;
import org.pgoffload.schema.ForPostgresVersions;
import org.pgoffload.schema.InstallException;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.schema.Session;
import org.pgoffload.schema.TestDatabase;
import org.pgoffload.schema.TestServer;

@Timeout(120)
final class InstallSchemaTest {
  @ForPostgresVersions
  void saysWhatItChangedAndChangesNothingTheSecondTime(PostgresVersion version) {
    try (var empty = EmptyDatabase.of(version)) {
      var address = empty.address();
      assertThat(InstallSchema.run(address, "public"))
          .startsWith("applied 001 roles")
          .endsWith("replaced 99 rights")
          .allMatch(line -> line.startsWith("applied ") || line.startsWith("replaced "));
      var before = catalog(address);
      assertThat(before.stream().map(row -> row.split("\\|", -1)[2]).distinct())
          .as("transactions: in the middle of several, a function would be everybody's")
          .hasSize(1);
      assertThat(InstallSchema.run(address, "public")).isEmpty();
      assertThat(catalog(address)).isEqualTo(before);
    }
  }

  @ForPostgresVersions
  void appliesOnceWhereTwoInstallAtTheSameTime(PostgresVersion version) {
    try (var empty = EmptyDatabase.of(version)) {
      var address = empty.address();
      var one = CompletableFuture.supplyAsync(() -> InstallSchema.run(address, "public"));
      var two = CompletableFuture.supplyAsync(() -> InstallSchema.run(address, "public"));
      assertThat(List.of(one.join().isEmpty(), two.join().isEmpty()))
          .containsExactlyInAnyOrder(true, false);
    }
  }

  @ForPostgresVersions
  void worksInAnotherSchemaThanPublicAndWithoutASuperuser(PostgresVersion version) {
    var server = TestServer.of(version);
    try (var empty = EmptyDatabase.of(version);
        var admin = Session.open(empty.address())) {
      var address = empty.address();
      admin.run("create role installer login createrole password 'installer'");
      admin.run("grant create on database " + address.database() + " to installer");
      admin.run("create schema llm authorization installer");
      var installer = address.as("installer", Secret.of("installer"));
      assertThat(InstallSchema.run(installer, "llm")).isNotEmpty();
      assertThat(InstallSchema.run(installer, "llm")).isEmpty();
      admin.run("grant usage on schema llm to llm_user");
      InstallSlot.run(address, address.database(), Duration.ofSeconds(30), _ -> {});

      var database = new TestDatabase(server, address, address.database());
      // the worker renews no lease, and a busy machine must not let it run out
      admin.run("update pgoffload.setting set value = '10 min' where name = 'worker_dead_after'");
      try (var app = database.open("app");
          var worker = database.worker("w")) {
        assertThat(app.rows("select from pg_class where relnamespace = 'public'::regnamespace"))
            .isEmpty();
        var id = app.number("insert into llm.llm_request (prompt) values ('p') returning id");
        assertThat(worker.claim(database.onlySent())).containsExactly("claimed|1");
        assertThat(app.value("select llm.llm_status(?)", id)).isEqualTo("running");
        assertThat(app.rows("select id, status from llm.llm_queue"))
            .containsExactly(id + "|running");
        assertThat(app.rows("select name, alive from llm.llm_worker")).containsExactly("w|t");
        assertThat(app.value("select llm.llm_provider()")).isEqualTo("echo");
        database.record(database.answered(id, "app", "a"));
        assertThat(app.value("select llm.llm_result(?)", id)).isEqualTo("a");
        assertThat(app.rows("select * from llm.llm_wait(?)", (Object) new Long[] {id}))
            .containsExactly(id + "|succeeded");
        assertThat(app.rows("select status, answer from llm.llm_response(?)", id))
            .containsExactly("succeeded|a");
        var submitted = app.number("select llm.llm_submit('p')");
        assertThat(database.onlySent().id()).isEqualTo(submitted);
        var answer = CompletableFuture.supplyAsync(() -> app.value("select llm.llm_ask('p')"));
        var request = database.awaitSent();
        assertThat(worker.claim(request)).containsExactly("claimed|1");
        database.record(database.answered(request.id(), "app", "b"));
        assertThat(answer.join()).isEqualTo("b");
        assertThat(app.refused("select llm.llm_ask('')").state()).isEqualTo("22023");
        var many =
            CompletableFuture.supplyAsync(() -> app.rows("select * from llm.llm_ask_many('{p}')"));
        request = database.awaitSent();
        database.record(database.answered(request.id(), "app", "c"));
        assertThat(many.join()).containsExactly("1|c|null");
        var embedding = CompletableFuture.supplyAsync(() -> app.value("select llm.llm_embed('i')"));
        request = database.awaitSent();
        database.record(database.embedded(request.id(), "app", new float[] {1, 2}));
        assertThat(embedding.join()).isEqualTo("{1,2}");
        var again = app.number("select llm.llm_retry(?)", id);
        assertThat(database.onlySent().id()).isEqualTo(again);
        assertThat(app.value("select llm.llm_cancel(?)", again)).isEqualTo("t");
        assertThat(app.rows("select text from llm.llm_stream(?)", id)).containsExactly("a");
        assertThat(app.rows("select * from llm.llm_usage")).isEmpty();
        assertThat(app.refused("select llm.llm_status(4711)").state()).isEqualTo("42704");
      }
      database.admin().close();
    } finally {
      try (var admin = Session.open(server.admin("postgres"))) {
        admin.run("drop role installer");
      }
    }
  }

  /// Flyway's own, which any role can hold; it is waited for for a minute.
  @Test
  void saysWhoHoldsTheLockOfInstallations() {
    try (var database = TestServer.of(PostgresVersion.V18).newDatabase();
        var nobody = database.open("nobody")) {
      assertThat(InstallSchema.holdersOfTheLock(database.address())).isEmpty();
      nobody.run("select pg_advisory_lock(77431708279161 - 2000000000)");
      nobody.run("select pg_advisory_lock(4711)");
      assertThat(InstallSchema.holdersOfTheLock(database.address()))
          .containsExactly(
              "select pg_terminate_backend("
                  + nobody.value("select pg_backend_pid()")
                  + "), of role nobody");
    }
  }

  @Test
  void refusesAServerThatDecodesNothingAndEverythingElseAtOnce() {
    try (var server =
        PostgresServer.start(
            PostgresOptions.temporary("postgres").withSettings(Map.of("wal_level", "replica")))) {
      var address = TestServer.address(server, "postgres", "postgres");
      try (var admin = Session.open(address)) {
        admin.run("create role plain login password 'plain'");
      }
      assertThatThrownBy(() -> InstallSchema.run(address.as("plain", Secret.of("plain")), "absent"))
          .isInstanceOf(InstallException.class)
          .hasMessageContaining("wal_level is replica: set wal_level = logical")
          .hasMessageContaining("role plain needs CREATEROLE")
          .hasMessageContaining("schema absent does not exist: create it first");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "a'b",
        "a\"b",
        "a%b",
        "a$b",
        "a\\b",
        "a\nb",
        "pgoffload",
        "pg_catalog",
        "pg_temp_1",
        "information_schema"
      })
  void refusesASchemaThatCannotBeBeforeItConnects(String schema) {
    var nowhere = new DatabaseAddress("127.0.0.1", 1, "d", "u", null, Map.of());
    assertThatThrownBy(() -> InstallSchema.run(nowhere, schema))
        .isInstanceOf(InstallException.class)
        .hasMessageContaining("the public schema must be ")
        .hasMessageContaining("'" + schema + "'");
  }

  @ForPostgresVersions
  void worksInSchemasWhoseNamesNeedQuotes(PostgresVersion version) {
    for (var schema : List.of("user", "My Schema.1-ü", "select")) {
      try (var empty = EmptyDatabase.of(version);
          var admin = Session.open(empty.address())) {
        var address = empty.address();
        var quoted = admin.value("select quote_ident(?)", schema);
        admin.run("create schema " + quoted);
        assertThat(InstallSchema.run(address, schema)).isNotEmpty();
        assertThat(InstallSchema.run(address, schema)).isEmpty();
        assertThatThrownBy(() -> InstallSchema.run(address, "public"))
            .hasMessageContaining("its public objects in schema " + quoted);
        var id =
            admin.number(
                "insert into " + quoted + ".llm_request (prompt) values ('p') returning id");
        assertThat(admin.value("select " + quoted + ".llm_status(?)", id)).isEqualTo("queued");
        assertThat(admin.rows("select count(*) from " + quoted + ".llm_health")).isNotEmpty();
        admin.run("set session authorization ann");
        assertThat(
                admin.number(
                    "insert into "
                        + quoted
                        + ".sql_request (command) values ('select 1') returning id"))
            .isPositive();
        admin.run("reset session authorization");
        assertThat(admin.number("select count(*) from pgoffload.unanswered(0, ?)", Long.MAX_VALUE))
            .isEqualTo(2);
        InstallSlot.run(address, address.database(), Duration.ofSeconds(30), _ -> {});
        RecordCaptureBreak.plan(address, "test");
        assertThat(RecordCaptureBreak.complete(address)).isPresent();
        assertThat(RemoveSchema.run(address, true).removed()).contains("schema pgoffload");
        assertThat(admin.rows("select from pg_class where relnamespace = ?::regnamespace", quoted))
            .isEmpty();
      }
    }
  }

  @ForPostgresVersions
  void namesEverythingOfTheUsersThatItWouldReplaceOrMeetAndTouchesNothing(PostgresVersion version) {
    try (var empty = EmptyDatabase.of(version);
        var admin = Session.open(empty.address())) {
      var address = empty.address();
      admin.run(
          "create function llm_result(bigint) returns text language sql as $$select 'mine'$$");
      admin.run("create function llm_status(text) returns text language sql as $$select 'other'$$");
      admin.run(
          "create function pg_background_list_v2() returns text language sql as $$select ''$$");
      admin.run("create table llm_request (mine int)");
      admin.run("create view llm_queue as select 1 as mine");
      admin.run("create type pg_background_handle as enum ('mine')");
      admin.run("create domain llm_usage as text");
      admin.run("create schema pgoffload");
      admin.run("create table pgoffload.mine ()");
      admin.run("create publication pgoffload");
      assertThatThrownBy(() -> InstallSchema.run(address, "public"))
          .isInstanceOf(InstallException.class)
          .hasMessageContainingAll(
              "function public.llm_result(bigint)",
              "function public.pg_background_list_v2()",
              "table public.llm_request",
              "view public.llm_queue",
              "type public.pg_background_handle",
              "type public.llm_usage",
              "schema pgoffload",
              "publication pgoffload",
              "Rename, move or drop them",
              "Nothing has changed")
          .hasMessageNotContaining("llm_status");
      assertThat(admin.value("select llm_result(1)")).isEqualTo("mine");
      assertThat(admin.rows("select to_regclass('pgoffload.schema_history')"))
          .containsExactly("null");
    }
  }

  /// Neither upgraded nor removed.
  @Test
  void refusesTheSchemaOfAVersionThatWasNeverReleasedByItsName() {
    try (var database = TestServer.of(PostgresVersion.V18).newDatabase()) {
      var admin = database.admin();
      admin.run("alter table pgoffload.claim rename to execution");
      var before = catalog(database.address());
      assertThatThrownBy(() -> InstallSchema.run(database.address(), "public"))
          .isInstanceOf(InstallException.class)
          .hasMessageStartingWith("unreleased_schema: ")
          .hasMessageContainingAll(
              "pgoffload uninstall", "a fresh database", "Nothing has changed");
      assertThatThrownBy(() -> RemoveSchema.run(database.address(), true))
          .isInstanceOf(InstallException.class)
          .hasMessageStartingWith("unreleased_schema: ");
      assertThat(catalog(database.address())).isEqualTo(before);
    }
  }

  @Test
  void laterAFunctionOfTheUsersIsRefusedThatAnUpgradeWouldReplace() {
    try (var database = TestServer.of(PostgresVersion.V18).newDatabase()) {
      var admin = database.admin();
      admin.run("drop function llm_cancel(bigint)");
      admin.run(
          "create function llm_cancel(bigint) returns text language sql as $$select 'mine'$$");
      assertThatThrownBy(() -> InstallSchema.run(database.address(), "public"))
          .hasMessageContaining("function public.llm_cancel(bigint)");
    }
  }

  /// What nobody can know before: here a function of another kind.
  @ForPostgresVersions
  void aFirstInstallationThatFailsSaysWhyInOurWordsAndLeavesNothing(PostgresVersion version) {
    var server = TestServer.of(version);
    try (var empty = EmptyDatabase.of(version);
        var admin = Session.open(empty.address())) {
      var address = empty.address();
      admin.run("revoke execute on function pg_control_system() from public");
      admin.run("create role plain_installer login createrole password 'plain_installer'");
      admin.run("grant create on database " + address.database() + " to plain_installer");
      admin.run("grant create on schema public to plain_installer");
      assertThatThrownBy(() ->
              InstallSchema.run(
                  address.as("plain_installer", Secret.of("plain_installer")), "public"))
          .isInstanceOf(InstallException.class)
          .hasMessageContaining("nothing has changed")
          .hasMessageContaining("permission denied for function pg_control_system (SQLSTATE 42501)")
          .hasMessageNotContainingAny("jar:", ".sql", "Flyway", "Migration");
      assertThat(admin.rows("select from pg_namespace where nspname = 'pgoffload'")).isEmpty();
    } finally {
      try (var admin = Session.open(server.admin("postgres"))) {
        admin.run("drop role plain_installer");
      }
    }
  }

  @ForPostgresVersions
  void knowsEachOfItsObjectsByItsScripts(PostgresVersion version) {
    try (var database = TestServer.of(version).newDatabase();
        var admin = Session.open(database.address())) {
      var ours = InstallSchema.ownObjects(database.address(), "public");
      admin.run("set search_path = pg_catalog");
      assertThat(
              admin.rows(
                  """
                  select p.oid::regprocedure::text from pg_proc p
                  where p.pronamespace in ('pgoffload'::regnamespace, 'public'::regnamespace)
                    and p.oid::regprocedure::text <> all (?::text[])
                  union all
                  select c.oid::regclass::text from pg_class c
                  where c.relnamespace in ('pgoffload'::regnamespace, 'public'::regnamespace)
                    and c.relkind in ('r', 'p', 'v', 'S', 'c') and not c.relispartition and c.relname <> 'schema_history'
                    and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'i')
                    and c.oid <> all (select coalesce(to_regclass(r), 0)::oid from unnest(?::text[]) r)
                  """,
                  ours.functions().toArray(String[]::new),
                  ours.others().toArray(String[]::new)))
          .isEmpty();
      assertThat(
              admin.rows(
                  """
                  select p.oid::regprocedure from pg_proc p
                  where p.pronamespace = 'public'::regnamespace and obj_description(p.oid, 'pg_proc') is null
                  """))
          .as("functions without a comment, by which an upgrade tells ours from a user's")
          .isEmpty();
    }
  }

  @Test
  void saysThatItCannotConnectWithoutThePassword() {
    var address =
        TestServer.of(PostgresVersion.V18).admin("postgres").as("postgres", Secret.of("hunter2"));
    assertThatThrownBy(() -> InstallSchema.run(address, "public"))
        .isInstanceOf(InstallException.class)
        .hasMessageContaining("cannot connect to postgres@127.0.0.1")
        .hasMessageNotContaining("hunter2");
  }

  /// Every object with its definition and rights.
  private static List<String> catalog(DatabaseAddress address) {
    try (var admin = Session.open(address)) {
      return admin.rows(
          """
          select 'function', p.oid, p.xmin, p.proacl::text from pg_proc p
          where p.pronamespace in ('pgoffload'::regnamespace, 'public'::regnamespace)
          union all
          select 'relation', c.oid, c.xmin, c.relacl::text from pg_class c
          where c.relnamespace in ('pgoffload'::regnamespace, 'public'::regnamespace)
            and c.relname not like 'schema_history%'
          union all
          select 'key', k.key_id::oid, k.xmin, '' from pgoffload.signing_key k
          union all
          select 'policy', p.oid, p.xmin, '' from pg_policy p
          order by 1, 2
          """);
    }
  }
}
