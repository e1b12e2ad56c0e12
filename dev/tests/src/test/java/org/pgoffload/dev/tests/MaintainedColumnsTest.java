package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.awaitRows;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The examples of docs/maintained-columns.md, run as they stand there, and the consumer that
/// follows.
class MaintainedColumnsTest extends OnSharedInstallation {
  /// Stands in for the extension, which the servers of the tests have not.
  private static final Path PGVECTOR =
      Path.of("../../schema/src/test/resources/org/pgoffload/schema/vector.sql");

  private static final String MOOD = "stub answer to: The mood of this ticket, in one word: ";

  @TempDir Path directory;
  private String document;

  @BeforeEach
  void read() throws IOException {
    document = Files.readString(Path.of("../../docs/maintained-columns.md"));
  }

  @AfterEach
  void dropAll() throws SQLException {
    try (var cleaning = installation.application().connect("test");
        var admin = installation.admin().connect("test")) {
      for (var name : query(cleaning, "select name from llm_maintained")) {
        execute(cleaning, "select llm_maintain_drop('" + name + "')");
      }
      execute(cleaning, "drop table if exists ticket, change, doc_chunk, doc cascade");
      execute(cleaning, "drop function if exists log_change");
      execute(admin, "drop type if exists app.vector cascade");
    }
  }

  @Test
  void theExampleOfTheDocumentRuns() throws SQLException {
    var statements = statements("create table ticket");
    assertThat(statements).hasSize(7);
    declare(statements);
    awaitRows(
        app,
        "select mood from ticket order by id",
        MOOD + "Login. It works again, thank you",
        MOOD + "Thanks. All is well");
    assertThat(query(app, statements.get(5))).containsExactly("1", "2");
    awaitRows(
        app,
        "select concat_ws(' ', name, status, pending, failed) from (" + statements.get(6) + ") m",
        "ticket_mood active 0 0");
  }

  @Test
  void anotherQuestionIsDeclaredAnew() throws SQLException {
    declare(statements("create table ticket"));
    for (var statement : statements("begin;")) {
      execute(app, statement);
    }
    var answer = "stub answer to: Is this ticket angry, calm or glad? ";
    awaitRows(
        app,
        "select mood from ticket order by id",
        answer + "Login. It works again, thank you",
        answer + "Thanks. All is well");
  }

  @Test
  void aTriggerOfTheTableNeedsAPathAndItsRowsAreRetried() throws SQLException {
    declare(statements("create table ticket").subList(0, 3));
    awaitRows(app, "select count(mood) from ticket", "1");
    execute(app, "create table change (id bigint)");
    execute(
        app,
        """
        create function log_change() returns trigger language plpgsql as
        $$ begin insert into change values (new.id); return new; end $$
        """);
    execute(
        app,
        "create trigger log_change after update of mood on ticket for each row execute function log_change()");
    execute(app, "insert into ticket values (2, 'Thanks', 'All is well')");
    var failed = statements("select key, error");
    awaitRows(
        app,
        "select concat(key, ' ', error) from (" + failed.getFirst() + ") f",
        "{\"id\": \"2\"} not_written: 42P01: relation \"change\" does not exist");

    // the document's schema is public, where app may make nothing
    execute(app, statements("alter function").getFirst().replace("public", "app"));
    assertThat(query(app, failed.getLast())).containsExactly("1");
    awaitRows(app, "select count(mood) from ticket", "2");
    awaitRows(app, failed.getFirst());
    assertThat(query(app, "select id from change")).containsExactly("2");
  }

  @Test
  void rowsThatASubscriptionAppliesAreAskedAboutWhereTheTriggerIsToldTo() throws SQLException {
    declare(statements("create table ticket"));
    for (var statement : statements("alter table ticket enable always")) {
      execute(app, statement);
    }
    try (var applying = installation.admin().connect("test")) {
      execute(applying, "set session_replication_role = replica");
      execute(applying, "insert into app.ticket values (3, 'Applied', 'It works')");
    }
    awaitRows(app, "select mood from ticket where id = 3", MOOD + "Applied. It works");
  }

  @Test
  void theSearchFindsTheChunkThatIsNearest() throws Exception {
    try (var admin = installation.admin().connect("test")) {
      execute(admin, "set search_path = app");
      execute(admin, Files.readString(PGVECTOR));
    }
    for (var statement : statements("create table doc (")) {
      execute(app, statement);
    }
    var sky = "Sky\nThe sky is blue because air scatters blue light more than red.";
    awaitRows(
        app,
        "select concat_ws(' ', id, n, chunk) from doc_chunk order by id, n",
        "1 1 " + sky,
        "2 1 Bread\nBread rises because yeast makes gas.");
    var search = statements("select d.title, c.chunk").getFirst();
    assertThat(query(app, search)).containsExactlyInAnyOrder("Sky", "Bread");
    // the stub knows no meaning: equal texts alone are near
    assertThat(query(app, search.replace("Why is the sky blue?", sky)).getFirst()).isEqualTo("Sky");

    execute(app, "delete from doc where id = 1");
    assertThat(query(app, search)).containsExactly("Bread");
  }

  @Test
  void theExampleFollowsTheAnswersByTheirKeys() throws Exception {
    declare(statements("create table ticket"));
    var file = directory.resolve("mood.json");
    var output = Files.createTempFile(directory, "follow", ".out");
    var arguments =
        new String[] {
          Path.of("../../examples/FollowColumn.java").toString(),
          installation.kafkaBootstrap(),
          "ticket_mood",
          file.toString(),
          installation.topics().results()
        };
    var example = ConsumingResultsTest.java(output, arguments);
    try {
      awaitAnswer(file, "1", MOOD + "Login. It works again, thank you");
      awaitAnswer(file, "2", MOOD + "Thanks. All is well");
      assertThat(index(file).at("/words/again").toString()).isEqualTo("[\"[\\\"1\\\"]\"]");
    } finally {
      example.destroyForcibly().onExit().join();
    }

    // goes on where it was, also with what came meanwhile
    execute(app, "update ticket set body = 'Still well' where id = 2");
    execute(app, "update ticket set subject = null, body = ' ' where id = 1");
    example = ConsumingResultsTest.java(output, arguments);
    try {
      awaitAnswer(file, "2", MOOD + "Thanks. Still well");
      awaitAnswer(file, "1", "");
      assertThat(index(file).path("words").has("again")).isFalse();
    } finally {
      example.destroyForcibly().onExit().join();
    }
  }

  private static void awaitAnswer(Path file, String key, String answer) {
    await()
        .atMost(PATIENCE)
        .ignoreExceptionsInstanceOf(IOException.class)
        .untilAsserted(() ->
            assertThat(index(file).path("rows").path("[\"" + key + "\"]").path("answer").asText())
                .isEqualTo(answer));
  }

  private static JsonNode index(Path file) throws IOException {
    return new ObjectMapper().readTree(file.toFile());
  }

  /// All of the document's example but its questions.
  private void declare(List<String> statements) throws SQLException {
    for (var statement : statements) {
      if (!statement.startsWith("select name") && !statement.startsWith("select id")) {
        execute(app, statement);
      }
    }
  }

  /// Those of the first example that begins so.
  private List<String> statements(String beginning) {
    var example =
        Pattern.compile("```sql\n(" + Pattern.quote(beginning) + ".*?)```", Pattern.DOTALL)
            .matcher(document);
    assertThat(example.find()).as(beginning).isTrue();
    return Stream.of(example.group(1).split(";[^\n']*\n")).map(String::strip).toList();
  }
}
