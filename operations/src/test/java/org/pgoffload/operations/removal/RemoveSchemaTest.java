package org.pgoffload.operations.removal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.operations.InstallSlot;
import org.pgoffload.operations.ManagedServer;
import org.pgoffload.operations.retention.RemoveOldRequests;
import org.pgoffload.schema.ForPostgresVersions;
import org.pgoffload.schema.InstallException;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.schema.Session;
import org.pgoffload.schema.TestServer;

/// What an installation leaves when it is removed, and what keeps it from being removed.
class RemoveSchemaTest {
  private static final String EVERYTHING =
      """
      select 'relation ' || c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      union all
      select 'function ' || p.oid::regprocedure from pg_proc p where p.pronamespace = 'public'::regnamespace
      union all
      select 'type ' || t.oid::regtype from pg_type t where t.typnamespace = 'public'::regnamespace
      union all
      select 'schema ' || n.nspname from pg_namespace n where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      union all
      select 'rights ' || n.nspacl::text from pg_namespace n where n.nspname = 'public'
      union all
      select 'publication ' || p.pubname from pg_publication p
      union all
      select 'slot ' || s.slot_name from pg_replication_slots s
      union all
      select 'role ' || r.rolname from pg_roles r where r.rolname !~ '^pg_'
      order by 1
      """;

  @ForPostgresVersions
  void leavesWhatWasThereBeforeWithTheRightsOfTheInstaller(PostgresVersion version)
      throws Exception {
    try (var server = ManagedServer.start(version)) {
      var manager = server.manager();
      try (var shop = Session.open(manager)) {
        shop.run("create table orders (id int)");
        shop.run("create function llm_mine(text) returns text language sql as $$select $1$$");
        shop.run("grant usage on schema public to manager");
        var before = shop.rows(EVERYTHING);
        InstallSchema.run(manager, "public");
        InstallSlot.run(manager, "pgoffload", Duration.ofSeconds(30), _ -> {});
        RemoveOldRequests.run(manager, true);
        shop.run("insert into llm_request (prompt) values ('p')");

        var installed = shop.rows(EVERYTHING);
        var plan = RemoveSchema.plan(manager);
        assertThat(plan.unanswered()).isEqualTo(1);
        assertThat(plan.slot()).contains("pgoffload");
        assertThat(plan.kept()).isEmpty();
        assertThat(plan.removed())
            .contains(
                "table public.llm_request",
                "view public.llm_health",
                "type public.pg_background_handle",
                "publication pgoffload",
                "schema pgoffload",
                "role llm_user",
                "role pgoffload_producer");
        assertThat(shop.rows(EVERYTHING)).as("a plan changes nothing").isEqualTo(installed);

        assertThatThrownBy(() -> RemoveSchema.run(manager, false))
            .isInstanceOf(InstallException.class)
            .hasMessageContaining("1 request has no result")
            .hasMessageContaining("--discard-unanswered");
        assertThat(shop.rows(EVERYTHING)).isEqualTo(installed);

        assertThat(RemoveSchema.run(manager, true)).isEqualTo(plan);
        assertThat(InstallSlot.remove(manager, "pgoffload")).contains("replication slot pgoffload");
        assertThat(shop.rows(EVERYTHING)).isEqualTo(before);

        assertThat(RemoveSchema.run(manager, false))
            .isEqualTo(new RemoveSchema.Removal(List.of(), List.of(), 0, Optional.empty()));
        assertThat(InstallSlot.remove(manager, "pgoffload")).isEmpty();
        assertThat(InstallSchema.run(manager, "public")).isNotEmpty();
      }
    }
  }

  @ForPostgresVersions
  void namesWhatDependsOnItAndRemovesNothing(PostgresVersion version) {
    try (var database = TestServer.of(version).newDatabase()) {
      var admin = database.admin();
      admin.run("create schema reports");
      admin.run("create view reports.asked as select id from llm_request");
      admin.run("create table reports.handles (handle pg_background_handle)");
      admin.run(
          "create function reports.answer(id bigint) returns text language sql return public.llm_result(id)");
      admin.run("create table pgoffload.notes ()");
      assertThatThrownBy(() -> RemoveSchema.run(database.address(), true))
          .isInstanceOf(InstallException.class)
          .hasMessageContainingAll(
              "view reports.asked depends on table public.llm_request",
              "column handle of table reports.handles depends on type public.pg_background_handle",
              "function reports.answer(bigint) depends on function public.llm_result(bigint)",
              "Nothing has changed")
          .hasMessageNotContaining("public.llm_queue")
          // nor what goes with a table of ours and its partitions
          .hasMessageNotContaining("column id of table")
          .hasMessageNotContaining("trigger ");
      admin.run("drop schema reports cascade");
      assertThatThrownBy(() -> RemoveSchema.run(database.address(), true))
          .hasMessageContaining("table pgoffload.notes depends on schema pgoffload");
      assertThat(admin.value("select count(*) from llm_queue")).isEqualTo("0");
      admin.run("drop table pgoffload.notes");
      assertThat(RemoveSchema.plan(database.address()).removed()).contains("schema pgoffload");
    }
  }

  /// Those of the other tests' databases and logins.
  @ForPostgresVersions
  void keepsRolesThatOthersUseAndSaysWhoDoes(PostgresVersion version) {
    try (var database = TestServer.of(version).newDatabase()) {
      assertThat(RemoveSchema.run(database.address(), true).kept())
          .anyMatch(line -> line.matches("role llm_user is kept, which .*app.* is granted"))
          .anyMatch(line ->
              line.startsWith("role pgoffload_producer is kept: ")
                  && line.contains("in database installed"));
      assertThat(database.admin().rows("select from pg_roles where rolname = 'llm_user'"))
          .hasSize(1);
    }
  }

  @ForPostgresVersions
  void refusesWhileAWorkerIsAliveAndToAnybodyButTheInstaller(PostgresVersion version) {
    try (var database = TestServer.of(version).newDatabase()) {
      database
          .admin()
          .run("update pgoffload.setting set value = '10 min' where name = 'worker_dead_after'");
      assertThatThrownBy(() -> RemoveSchema.plan(database.as("app")))
          .isInstanceOf(InstallException.class)
          .hasMessageContaining("only the login that has installed pgoffload");
      try (var _ = database.worker("w")) {
        assertThatThrownBy(() -> RemoveSchema.plan(database.address()))
            .isInstanceOf(InstallException.class)
            .hasMessageContaining("worker w")
            .hasMessageContaining("End them first");
      }
    }
  }
}
