package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.embedded.PostgresOptions;
import org.pgoffload.embedded.PostgresServer;
import org.pgoffload.embedded.PostgresVersion;
import org.pgoffload.protocol.Secret;

@Timeout(120)
final class InstallSchemaTest {
  @ParameterizedTest
  @EnumSource
  void saysWhatItChangedAndChangesNothingTheSecondTime(PostgresVersion version) {
    var server = TestServer.of(version);
    var address = server.newEmptyDatabase();
    try {
      assertThat(InstallSchema.run(address, "public"))
          .contains("applied 001 roles and settings", "replaced 05 llm")
          .allMatch(line -> line.startsWith("applied ") || line.startsWith("replaced "));
      var before = catalog(address);
      assertThat(InstallSchema.run(address, "public")).isEmpty();
      assertThat(catalog(address)).isEqualTo(before);
    } finally {
      server.drop(address);
    }
  }

  @ParameterizedTest
  @EnumSource
  void appliesOnceWhereTwoInstallAtTheSameTime(PostgresVersion version) {
    var server = TestServer.of(version);
    server.newDatabase().close(); // the roles exist
    var address = server.newEmptyDatabase();
    try {
      var one = CompletableFuture.supplyAsync(() -> InstallSchema.run(address, "public"));
      var two = CompletableFuture.supplyAsync(() -> InstallSchema.run(address, "public"));
      assertThat(List.of(one.join().isEmpty(), two.join().isEmpty()))
          .containsExactlyInAnyOrder(true, false);
    } finally {
      server.drop(address);
    }
  }

  @ParameterizedTest
  @EnumSource
  void worksInAnotherSchemaThanPublicAndWithoutASuperuser(PostgresVersion version) {
    var server = TestServer.of(version);
    server.newDatabase().close(); // the roles exist
    var address = server.newEmptyDatabase();
    try (var admin = Session.open(address)) {
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
      server.drop(address);
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
      var address =
          new DatabaseAddress(
              server.host(),
              server.port(),
              "postgres",
              "postgres",
              Secret.of("postgres"),
              Map.of());
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
  @ValueSource(strings = {"", "a b", "Quoted", "a;b", "1a", "ä"})
  void refusesASchemaThatIsNoPlainName(String schema) {
    var nowhere = new DatabaseAddress("127.0.0.1", 1, "d", "u", null, Map.of());
    assertThatThrownBy(() -> InstallSchema.run(nowhere, schema))
        .isInstanceOf(InstallException.class)
        .hasMessageContaining("'" + schema + "' must be a plain lower-case name");
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
          order by 1, 2
          """);
    }
  }
}
