package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.pgoffload.dev.tests.Sql.awaitRows;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;

import java.io.StringReader;
import java.nio.file.Path;
import java.sql.Connection;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.launcher.LocalInstallation;
import org.pgoffload.dev.launcher.LocalOptions;
import org.pgoffload.dev.launcher.Part;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.dev.servers.WorkerLogin;
import org.pgoffload.dev.testkit.vendors.StubQuestion;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.operations.credentials.Certificates;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Settings;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.protocol.Secret;
import org.postgresql.PGConnection;

/// The whole way of maintained columns, from the statements that change rows to the answers of two
/// vendors in them, on the newest and on the oldest PostgreSQL.
@Timeout(300)
final class MaintainedPathTest extends OnSharedInstallation {
  private static final String NAME = "oldest";
  private static final EnumSet<Part> PARTS =
      EnumSet.complementOf(EnumSet.of(Part.POSTGRES, Part.KAFKA));

  @TempDir Path directory;

  @Test
  void onTheNewestVersion() throws Exception {
    try {
      keepsTheColumnsOfTwoVendorsAnswered(app, "eighteen");
    } finally {
      execute(app, "select llm_maintain_drop(name) from llm_maintained where name ~ '^letter_'");
      execute(app, "drop table if exists letter");
    }
  }

  /// Beside the shared broker, with topics of its own.
  @Test
  void onTheOldestVersion() throws Exception {
    var login = WorkerLogin.with(Certificates.in(directory.resolve("certificates")).directory());
    var options =
        PostgresOptions.temporary("superuser")
            .withVersion(PostgresVersion.V15)
            // its map knows no groups
            .withAuthentication(List.of(), List.of("pgoffload pgoffload-worker app"));
    try (var postgres = PostgresServer.start(login.allowedBy(options))) {
      var admin =
          new DatabaseAddress(
              "127.0.0.1",
              postgres.port(),
              "postgres",
              "postgres",
              Secret.of("superuser"),
              Map.of("sslmode", "disable"));
      var installed =
          Command.run(
              "install",
              "--database-url",
              admin.uri(),
              "--kafka",
              installation.kafkaBootstrap(),
              "--topic-prefix",
              NAME,
              "--slot",
              NAME);
      assertThat(installed.errors()).satisfies(_ -> assertThat(installed.status()).isZero());
      try (var owner = admin.connect("test")) {
        assertThat(query(owner, "show server_version_num").getFirst()).startsWith("15");
        execute(
            owner,
            "create role app login password 'app' in role llm_user, pgbackground_role;"
                + " create schema app authorization app");
      }
      var environment = environment(admin);
      environment.put(
          Settings.TASK_DATABASE,
          new TaskDatabase(login.host(), postgres.port(), "postgres", login.parameters()).uri());
      try (var _ =
              LocalInstallation.start(
                  new LocalOptions(directory.resolve("parts"), true, 0, 0, PARTS, environment),
                  _ -> {});
          var asking = admin.as("app", Secret.of("app")).connect("test")) {
        keepsTheColumnsOfTwoVendorsAnswered(asking, "fifteen");
      }
    }
  }

  private Map<String, String> environment(DatabaseAddress admin) {
    var environment = new TreeMap<>(installation.joiningEnvironment());
    environment.keySet().removeAll(DatabaseAddress.VARIABLES);
    environment.keySet().removeIf(name -> name.endsWith("_DATABASE_URL"));
    environment.put("DATABASE_URL", admin.uri());
    environment.put("PGOFFLOAD_TOPIC_PREFIX", NAME);
    environment.put("PGOFFLOAD_SLOT", NAME);
    environment.put("LLM_PROVIDER", "openai");
    environment.put("OPENAI_API_KEY", VendorStub.KEY);
    environment.put("OPENAI_BASE_URL", shared.openai().url() + "/v1");
    environment.put("ANTHROPIC_API_KEY", VendorStub.KEY);
    environment.put("ANTHROPIC_BASE_URL", shared.anthropic().url().toString());
    environment.put("NO_PROXY", "localhost");
    return environment;
  }

  /// @param mark tells the texts of this run from those of others, with the same vendors
  private void keepsTheColumnsOfTwoVendorsAnswered(Connection app, String mark) throws Exception {
    // a worker has to have registered
    awaitRows(app, "select 1::text from llm_ask('ready?')", "1");
    execute(
        app, "create table letter (id bigint primary key, body text, gist text, alarming boolean)");
    execute(
        app, "insert into letter select i, '" + mark + " old ' || i from generate_series(1, 40) i");
    execute(
        app,
        "select llm_maintain('letter_gist', source => 'letter', target => 'gist', ask => 'Gist: {body}',"
            + " provider => 'openai', backfill => true)");
    execute(
        app,
        "select llm_maintain('letter_alarming', source => 'letter', target => 'alarming',"
            + " ask => 'Alarming? {body}', provider => 'anthropic', backfill => true)");
    change(app, mark);

    awaitRows(
        app,
        """
        select id::text from letter
        where gist is distinct from 'stub answer to: Gist: ' || body or alarming is distinct from body ~ 'crash'
        """);
    awaitRows(
        app,
        "select concat_ws(' ', name, status, pending, failed) from llm_maintained where name ~ '^letter_' order by 1",
        "letter_alarming active 0 0",
        "letter_gist active 0 0");
    assertThat(
            query(app, "select count(*) || ' ' || count(gist) || ' ' || count(body) from letter"))
        .containsExactly("90 89 89");
    // each by its vendor, once for each text that was there in the end
    var texts =
        query(app, "select body from letter where body is not null order by body collate \"C\"");
    assertThat(asked(shared.openai(), "/v1/responses", "Gist: ", texts)).isEqualTo(texts);
    assertThat(asked(shared.anthropic(), "/v1/messages", "Alarming? ", texts)).isEqualTo(texts);
  }

  private static void change(Connection app, String mark) throws Exception {
    execute(app, "insert into letter values (41, '" + mark + " first'), (42, null), (43, ' ')");
    execute(
        app,
        "update letter set body = '" + mark + " the crash of ' || id where id between 11 and 20");
    execute(
        app,
        "merge into letter l using (select i as id, '"
            + mark
            + " merged ' || i as body from generate_series(21, 60) i) m on l.id = m.id"
            + " when matched and l.id in (30, 43) then delete"
            + " when matched and l.id > 30 and l.body is not null then update set body = m.body"
            + " when not matched then insert (id, body) values (m.id, m.body)");
    copy(app, mark);
    execute(app, "update letter set id = -id, body = '" + mark + " turned' where id = 1");
    execute(app, "begin; update letter set body = '" + mark + " never'; rollback");
  }

  private static void copy(Connection app, String mark) throws Exception {
    var lines = new StringBuilder();
    for (int i = 61; i <= 92; i++) {
      lines.append(i).append('\t').append(mark).append(" copied crash ").append(i).append('\n');
    }
    app.unwrap(PGConnection.class)
        .getCopyAPI()
        .copyIn("copy letter (id, body) from stdin", new StringReader(lines.toString()));
  }

  private static List<String> asked(
      VendorStub vendor, String path, String question, List<String> texts) {
    return vendor.questions().stream()
        .filter(asked -> asked.path().equals(path))
        .map(StubQuestion::lastText)
        .filter(text -> text.startsWith(question))
        .map(text -> text.substring(question.length()))
        .filter(texts::contains)
        .sorted()
        .toList();
  }
}
