package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.platform.primary.FollowPrimary;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;

/// `pgoffload install` and its counterpart, as a user calls them: on a PostgreSQL of its own, since
/// roles are the whole server's, and on topics of its own.
class UninstallTest extends OnSharedInstallation {
  /// No worker has ever registered here, which a declaration asks for.
  private static final String KEEPER =
      """
      insert into pgoffload.worker (name, epoch, provider, model, version, doing, heartbeat_at)
        values ('gone', 1, 'echo', 'm', '0', '{"runs_sql": "1"}', now() - interval '1 hour');
      create role keeper login password 'k' in role llm_user, pgbackground_role;
      create table ticket (id int primary key, body text, mood text);
      alter table ticket owner to keeper
      """;

  private static PostgresServer server;

  @BeforeAll
  static void start() throws Exception {
    server = PostgresServer.start(PostgresOptions.temporary("postgres"));
    try (var postgres = database("postgres").connect("test")) {
      execute(postgres, "create database shop");
      execute(postgres, "create database other");
    }
  }

  @AfterAll
  static void stop() {
    server.close();
  }

  @Test
  void saysWhatItRemovesAsksAndLeavesNothing() throws Exception {
    assertThat(run("shop", "install").status()).isZero();
    try (var shop = database("shop").connect("test");
        var admin = Admin.create(Map.of("bootstrap.servers", installation.kafkaBootstrap()))) {
      execute(shop, "insert into llm_request (prompt) values ('p')");
      execute(shop, KEEPER);
      keeper("select llm_maintain('mood', 'ticket', 'mood', 'The mood of {body}')");
      var triggered = run("shop", "uninstall", "--discard-unanswered", "--topics", "--yes");
      assertThat(triggered.errors())
          .contains(
              "trigger pgoffload maintains mood on table public.ticket depends on function pgoffload.\"ask_maintained mood\"()");
      keeper("select llm_maintain_drop('mood')");
      execute(shop, "drop owned by keeper; drop role keeper");

      // another's, with a prefix that begins like ours
      admin.createTopics(List.of(new NewTopic("shop.mine", 1, (short) 1))).all().get();

      var unanswered = run("shop", "uninstall", "--yes", "--topics");
      assertThat(unanswered.status()).isEqualTo(1);
      assertThat(unanswered.errors()).contains("1 request has no result", "--discard-unanswered");

      var others =
          run(
              "shop",
              "uninstall",
              "--discard-unanswered",
              "--topics",
              "--yes",
              "--topic-prefix",
              "elsewhere");
      assertThat(others.status()).isEqualTo(1);
      assertThat(others.errors())
          .contains("the topics elsewhere.* are not those of", "shop.requests.llm");

      var unasked = run("shop", "uninstall", "--discard-unanswered", "--topics");
      assertThat(unasked.status()).isEqualTo(2);
      assertThat(unasked.output())
          .contains(
              "To be removed from ",
              "replication slot pgoffload",
              "table public.llm_request",
              "schema pgoffload",
              "role llm_user",
              "topic shop.requests.llm",
              "1 request has no result, and will have none.")
          .doesNotContain("shop.mine");
      assertThat(unasked.errors()).contains("no terminal", "--yes");
      assertThat(query(shop, "select count(*) from llm_request")).containsExactly("1");

      var removed = run("shop", "uninstall", "--discard-unanswered", "--topics", "--yes");
      assertThat(removed.status()).as(removed.errors()).isZero();
      assertThat(removed.output()).contains("Removed pgoffload from ");
      assertThat(query(shop, "select slot_name from pg_replication_slots")).isEmpty();
      assertThat(query(shop, "select setconfig from pg_db_role_setting")).isEmpty();
      assertThat(query(shop, "select nspname from pg_namespace where nspname = 'pgoffload'"))
          .isEmpty();
      assertThat(query(shop, "select rolname from pg_roles where rolname like 'pgoffload%'"))
          .isEmpty();
      // a broker learns of it a moment after the controller
      await()
          .atMost(PATIENCE)
          .until(() ->
              admin.listTopics().names().get().stream()
                  .filter(topic -> topic.startsWith("shop."))
                  .toList()
                  .equals(List.of("shop.mine")));

      var again = run("shop", "uninstall", "--topics", "--yes");
      assertThat(again.status()).isZero();
      assertThat(again.output()).contains("Nothing to do: pgoffload is not installed in ");
    }
  }

  private static void keeper(String sql) throws SQLException {
    try (var keeper = database("shop").as("keeper", Secret.of("k")).connect("test")) {
      query(keeper, sql);
    }
  }

  @Test
  void installMakesNothingWhereTheSlotIsAnotherDatabases() throws Exception {
    try (var other = database("other").connect("test")) {
      execute(other, "select pg_create_logical_replication_slot('taken', 'pgoutput')");
      var install = run("postgres", "install", "--slot", "taken");
      assertThat(install.status()).isEqualTo(1);
      assertThat(install.errors()).contains("replication slot taken belongs to database other");
      try (var postgres = database("postgres").connect("test")) {
        assertThat(query(postgres, "select nspname from pg_namespace where nspname = 'pgoffload'"))
            .isEmpty();
      }
      execute(other, "select pg_drop_replication_slot('taken')");
    }
  }

  @Test
  void ofTwoServersTheRecordedOneIsMeantAndWhereNoneIsInstalledNoPartRuns() throws Exception {
    assertThat(run("postgres", "install", "--topic-prefix", "two").status()).isZero();
    try (var other = PostgresServer.start(PostgresOptions.temporary("postgres"))) {
      var first = new DatabaseServer(other.host(), other.port());
      var both =
          new DatabaseAddress(
              List.of(first, database("postgres").servers().getFirst()),
              "postgres",
              "postgres",
              Secret.of("postgres"),
              Map.of());
      for (var command :
          List.of(List.of("adopt"), List.of("install", "--no-topics"), List.of("uninstall"))) {
        assertThat(run(both, command, "two").errors())
            .as(command.toString())
            .contains("several servers take writes");
      }

      var uninstall = List.of("uninstall", "--topics", "--yes");
      try (var _ =
          FollowPrimary.start(
              database("postgres"),
              Map.of("bootstrap.servers", installation.kafkaBootstrap()),
              new TopicNames("two"),
              "worker w")) {
        await()
            .atMost(PATIENCE)
            .until(
                () -> run("postgres", "promote", "--topic-prefix", "two").output(),
                output -> output.contains("follows   worker w"));
        assertThat(run("postgres", "adopt", "--topic-prefix", "two").errors())
            .contains("is no copy: it is the primary that worker w follow");
        assertThat(run(both.at(first), uninstall, "two").errors())
            .contains("parts of pgoffload still run on the topics two.*: worker w");
      }

      var removed = run(both, uninstall, "two");
      assertThat(removed.status()).as(removed.errors()).isZero();
      assertThat(removed.output()).contains("Removed pgoffload from " + database("postgres"));
      try (var postgres = database("postgres").connect("test")) {
        assertThat(query(postgres, "select nspname from pg_namespace where nspname = 'pgoffload'"))
            .isEmpty();
      }
    }
  }

  private Command.Outcome run(DatabaseAddress address, List<String> arguments, String prefix) {
    var all = new ArrayList<>(arguments);
    all.addAll(List.of("--database-url", address.uri()));
    all.addAll(List.of("--kafka", installation.kafkaBootstrap(), "--topic-prefix", prefix));
    return Command.run(all.toArray(String[]::new));
  }

  private Command.Outcome run(String database, String... arguments) {
    var all = new ArrayList<>(List.of(arguments));
    all.addAll(
        List.of(
            "--database-url", database(database).uri(), "--kafka", installation.kafkaBootstrap()));
    if (!all.contains("--topic-prefix")) {
      all.addAll(List.of("--topic-prefix", "shop"));
    }
    return Command.run(all.toArray(String[]::new));
  }

  private static DatabaseAddress database(String name) {
    return new DatabaseAddress(
        server.host(), server.port(), name, "postgres", Secret.of("postgres"), Map.of());
  }
}
