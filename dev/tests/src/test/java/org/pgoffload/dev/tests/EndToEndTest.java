package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.pgoffload.dev.tests.ReadTopics.key;
import static org.pgoffload.dev.tests.ReadTopics.value;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;
import static org.pgoffload.dev.tests.Sql.value;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.launcher.LocalInstallation;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.platform.Settings;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.Result;
import org.postgresql.PGConnection;
import org.postgresql.util.PSQLException;

/// The story and the bad input of the main job: real PostgreSQL, Kafka and Debezium.
class EndToEndTest extends OnSharedInstallation {
  @Test
  void anInsertedPromptIsAnswered() throws SQLException {
    var id = ask("Why is the sky blue?");

    assertThat(query(app, "select status from llm_wait(array[" + id + "::bigint], '30 s')"))
        .containsExactly("succeeded");
    assertThat(query(app, "select llm_status(" + id + ")")).containsExactly("succeeded");
    assertThat(query(app, "select llm_result(" + id + ")"))
        .containsExactly("stub answer to: Why is the sky blue?");
    assertThat(
            query(
                app,
                "select format('%s %s %s %s %s', provider, finish_reason, input_tokens, output_tokens, attempts)"
                    + " from llm_response("
                    + id
                    + ")"))
        .containsExactly("openai stop 120 12 1");
  }

  @Test
  void oneStatementAsksAndAnswers() throws SQLException {
    assertThat(query(app, "select llm_ask('What is WAL?')"))
        .containsExactly("stub answer to: What is WAL?");
  }

  @Test
  void anOpenTransactionGetsItsAnswerAndTheCallOutlivesItsRollback() throws SQLException {
    app.setAutoCommit(false);
    execute(app, "create temporary table note (answer text)");
    execute(app, "insert into note select llm_ask('inside a transaction')");
    assertThat(query(app, "select answer from note"))
        .containsExactly("stub answer to: inside a transaction");
    app.rollback();
    app.setAutoCommit(true);

    // the claim has recorded the request, whatever became of its caller
    assertThat(
            query(
                app,
                "select immediate::text from llm_request where prompt = 'inside a transaction'"))
        .containsExactly("true");
  }

  @Test
  void aReadOnlyTransactionMayAsk() throws SQLException {
    app.setAutoCommit(false);
    execute(app, "set transaction read only");
    assertThat(query(app, "select llm_ask('read only')"))
        .containsExactly("stub answer to: read only");
    app.rollback();
  }

  @Test
  void theLinesOfTheReadmeRunAsTheyStandThere() throws IOException, SQLException {
    var readme = Files.readString(Path.of("../../README.md"));
    var lines = readme.substring(readme.indexOf("\n## In psql\n"));
    var sql = lines.substring(lines.indexOf("```sql\n") + 7, lines.indexOf("\n```\n"));
    var statements =
        Stream.of(sql.replaceAll("--.*", "").split(";", -1))
            .filter(each -> !each.isBlank())
            .toList();
    assertThat(statements).hasSizeGreaterThanOrEqualTo(10);

    // the id of a row is 1 in an installation that is new
    var id = value(app, statements.getFirst());
    for (var each : statements.subList(1, statements.size())) {
      execute(app, each.replace("[1]", "[" + id + "]").replace("(1)", "(" + id + ")"));
    }
    assertThat(query(app, "select llm_status(" + id + ")")).containsExactly("succeeded");
  }

  @Test
  void whatIsRolledBackBeforeItsCommitIsNeverCalled() throws SQLException {
    var marker = "never " + UUID.randomUUID();
    app.setAutoCommit(false);
    execute(app, "savepoint s");
    execute(app, "select llm_submit('" + marker + "')");
    execute(app, "rollback to savepoint s");
    app.commit();
    execute(app, "select llm_submit('" + marker + "')");
    app.rollback();
    app.setAutoCommit(true);

    // what is asked afterwards is answered: the rolled back ones would have come before it
    execute(app, "select llm_ask('after the rollback')");
    assertThat(shared.openai().questions())
        .noneMatch(question -> question.turns().getLast().contains(marker));
  }

  @Test
  void thoseWhoListenAreTold() throws SQLException {
    execute(app, "listen llm_done");
    var id = ask("tell me when it is done");
    var told = new ArrayList<String>();
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> {
          for (var notification : app.unwrap(PGConnection.class).getNotifications(100)) {
            told.add(notification.getName() + " " + notification.getParameter());
          }
          return told.contains("llm_done " + id);
        });
  }

  @Test
  void aConsumerOfTheResultsTopicReadsTheSameAnswers() throws SQLException {
    var id = ask("for downstream");
    waitFor(id);
    var result =
        Result.read(record(installation.topics().results(), r -> key(r).equals(id)).value());
    assertThat(result.answer()).isEqualTo("stub answer to: for downstream");
    assertThat(result.status()).isEqualTo(Result.SUCCEEDED);
    assertThat(result.requestedBy()).isEqualTo("app");
  }

  @Test
  void theProviderIsShown() throws SQLException {
    assertThat(query(app, "select llm_provider()")).containsExactly("openai");
    assertThat(query(app, "select count(*)::text from llm_worker where alive"))
        .containsExactly("1");
  }

  @Test
  void systemMessagesAndOptionsReachTheProvider() throws SQLException {
    execute(
        app,
        """
        select llm_ask('and now?', system => 'be brief', model => 'some-model',
                       options => '{"temperature": 0.5, "max_output_tokens": 77}')
        """);
    assertThat(shared.openai().questions())
        .filteredOn(question -> question.turns().equals(List.of("user: and now?")))
        .singleElement()
        .satisfies(question -> {
          assertThat(question.system()).isEqualTo("be brief");
          assertThat(question.model()).isEqualTo("some-model");
          assertThat(question.options().temperature()).isEqualTo(0.5);
          assertThat(question.options().maxOutputTokens()).isEqualTo(77);
        });

    execute(
        app,
        """
        insert into llm_request (messages) values
          ('[{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}, {"role": "user", "content": "three"}]')
        """);
    await()
        .untilAsserted(() ->
            assertThat(shared.openai().questions())
                .anyMatch(question ->
                    question
                        .turns()
                        .equals(List.of("user: one", "assistant: two", "user: three"))));
  }

  @Test
  void sessionAndRoleSettingsGiveTheModel() throws SQLException {
    execute(app, "set llm.model = 'session-model'");
    execute(app, "select llm_ask('which model, at once?')");
    var id = ask("which model, by row?");
    waitFor(id);
    assertThat(shared.openai().questions())
        .filteredOn(question -> question.turns().getLast().contains("which model"))
        .extracting(question -> question.model())
        .containsExactlyInAnyOrder("session-model", "session-model");
  }

  @Test
  void aPromptOfFiveMegabytesIsAnswered() throws SQLException {
    var id =
        value(
            app,
            "insert into llm_request (prompt) select repeat('word ', 1000000) returning id::text");
    waitFor(id);
    assertThat(query(app, "select llm_status(" + id + ")")).containsExactly("succeeded");
    assertThat(query(app, "select length(llm_ask(repeat('word ', 1000000)))::text"))
        .singleElement()
        .asString()
        .isNotEmpty();
  }

  @Test
  void aPromptLargerThanTheLimitIsRefusedWithTheLimit() {
    assertThatThrownBy(
            () -> execute(app, "insert into llm_request (prompt) select repeat('x', 17000000)"))
        .isInstanceOfSatisfying(
            PSQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("54000"))
        .hasMessageContaining("16777216");
  }

  @Test
  void theProvidersErrorReachesTheResultWithItsCode() throws SQLException {
    var id =
        value(
            app,
            "insert into llm_request (prompt, model) values ('hi', '"
                + VendorStub.UNKNOWN_MODEL
                + "') returning id::text");
    waitFor(id);
    assertThat(query(app, "select llm_status(" + id + ")")).containsExactly("failed");
    assertThat(query(app, "select error_code from llm_response(" + id + ")"))
        .containsExactly("model_not_found");
    assertRaises("LM001", "model_not_found", "select llm_result(" + id + ")");
    assertRaises(
        "LM001",
        "model_not_found",
        "select llm_ask('hi', model => '" + VendorStub.UNKNOWN_MODEL + "')");
  }

  @Test
  void aWrongKeyIsAFailureWithoutTheKey() {
    assertThatThrownBy(() -> execute(app, "select llm_ask('" + SharedInstallation.WRONG_KEY + "')"))
        .hasMessageContaining("authentication_failed")
        .hasMessageNotContaining(VendorStub.KEY);
  }

  @Test
  void anAnswerThatDoesNotComeInTimeExpires() throws SQLException {
    assertRaises(
        "LM002",
        "deadline_passed",
        "select llm_ask('" + SharedInstallation.SILENCE + " in time', timeout => '700 ms')");
  }

  @Test
  void aForgedWalMessageIsNotExecutedAndStopsNothing() throws SQLException {
    var marker = "forged " + UUID.randomUUID();
    execute(
        app,
        "select pg_logical_emit_message(false, 'pgoffload.request', '1:"
            + "0".repeat(64)
            + "' || chr(10) || '{\"version\": 1, \"id\": 987654321, \"kind\": \"ask\", \"ordering_key\": null, \"payload\": {\"prompt\": \""
            + marker
            + "\"}}')");
    execute(
        app,
        "select pg_logical_emit_message(false, 'pgoffload.request', 'garbage " + marker + "')");

    var forged =
        record(
            installation.topics().deadLetters(),
            r ->
                value(r).contains(marker)
                    && header(r, RecordHeaders.REASON).equals("bad_signature"));
    assertThat(header(forged, RecordHeaders.ORIGIN)).startsWith("pgoffload.requests.llm-");
    var garbage =
        record(
            installation.topics().deadLetters(),
            r -> value(r).contains(marker) && header(r, RecordHeaders.REASON).equals("malformed"));
    assertThat(value(garbage)).isEqualTo("garbage " + marker);
    assertThat(shared.openai().questions())
        .noneMatch(question -> question.turns().getLast().contains(marker));
    assertThat(query(app, "select llm_ask('still there?')")).hasSize(1);
  }

  @Test
  void garbageOnTheRequestsTopicStopsNothing() throws Exception {
    try (var kafka =
        new KafkaProducer<byte[], byte[]>(
            Map.of(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, installation.kafkaBootstrap()),
            new ByteArraySerializer(),
            new ByteArraySerializer())) {
      for (int i = 0; i < 20; i++) {
        kafka
            .send(
                new ProducerRecord<>(
                    installation.topics().llmRequests(), utf8("k" + i), utf8("not json " + i)))
            .get();
        kafka
            .send(new ProducerRecord<>(installation.topics().results(), utf8("k" + i), utf8("{}")))
            .get();
      }
      kafka
          .send(new ProducerRecord<>(installation.topics().llmRequests(), utf8("null"), null))
          .get();
    }
    assertThat(query(app, "select llm_ask('after the garbage')"))
        .containsExactly("stub answer to: after the garbage");
    record(
        installation.topics().deadLetters(),
        r -> value(r).equals("not json 19") && header(r, RecordHeaders.REASON).equals("malformed"));
  }

  @Test
  void othersSeeNothing() throws SQLException {
    try (var admin = installation.admin().connect("test")) {
      execute(admin, "create role onlooker login password 'onlooker'");
      execute(admin, "grant llm_user to onlooker");
      execute(admin, "create role nobody_special login password 'nobody'");
    }
    var id = ask("a secret");
    waitFor(id);
    var other = installation.admin().as("onlooker", org.pgoffload.protocol.Secret.of("onlooker"));
    try (var onlooker = other.connect("test")) {
      assertThat(query(onlooker, "select count(*)::text from llm_request")).containsExactly("0");
      assertThatThrownBy(() -> query(onlooker, "select llm_result(" + id + ")"))
          .isInstanceOfSatisfying(
              PSQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("42704"));
      assertThat(query(onlooker, "select llm_ask('mine')")).containsExactly("stub answer to: mine");
    }
    var nobody =
        installation.admin().as("nobody_special", org.pgoffload.protocol.Secret.of("nobody"));
    try (var connection = nobody.connect("test")) {
      assertThatThrownBy(() -> query(connection, "select llm_ask('hi')"))
          .isInstanceOfSatisfying(
              PSQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("42501"));
    }
  }

  @Test
  void aWorkerThatJoinsCanLogInAsTheApplicationRoleWithoutItsPassword() throws SQLException {
    assumeTrue(installation.hasCertificates(), "the worker logs in by a password file here");
    var tasks =
        Objects.requireNonNull(new Settings(installation.joiningEnvironment()).taskDatabase());
    var options = TaskDatabase.options(true, true);
    try (var task = tasks.as(LocalInstallation.APPLICATION_ROLE, options).connect("test")) {
      assertThat(query(task, "select current_user || ' in ' || current_database()"))
          .containsExactly("app in app");
    }
    assertThatThrownBy(() -> tasks.as("pgoffload_worker", options).connect("test"))
        .isInstanceOfSatisfying(
            PSQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("28000"));
  }

  @Test
  void fiveHundredCallersAreAnsweredAtOnce() throws SQLException {
    var ids =
        query(
            app,
            "insert into llm_request (prompt) select 'many ' || g from generate_series(1, 500) g returning id::text");
    assertThat(
            query(
                app,
                "select distinct status from llm_wait(array["
                    + String.join(",", ids)
                    + "]::bigint[], '60 s')"))
        .containsExactly("succeeded");
    assertThat(
            query(
                app,
                "select count(*)::text from unnest(array["
                    + String.join(",", ids)
                    + "]::bigint[]) i"
                    + " join llm_request q on q.id = i where llm_result(i) = 'stub answer to: ' || q.prompt"))
        .containsExactly("500");
  }

  @Test
  void aWaitingCallerCanBeCancelled() throws Exception {
    var question = SharedInstallation.SILENCE + " to be cancelled";
    try (var statement = app.createStatement()) {
      var asking =
          CompletableFuture.supplyAsync(() -> {
            try {
              statement.execute("select llm_ask('" + question + "', timeout => '20 s')");
              return "answered";
            } catch (SQLException e) {
              return String.valueOf(e.getSQLState());
            }
          });
      await()
          .atMost(Duration.ofSeconds(30))
          .until(() ->
              shared.openai().questions().stream()
                  .anyMatch(asked -> asked.turns().getLast().endsWith(question)));
      statement.cancel();
      assertThat(asking.get(30, java.util.concurrent.TimeUnit.SECONDS)).isEqualTo("57014");
    }
  }

  /// The first record of a topic that matches, from its beginning on.
  private ConsumerRecord<byte[], byte[]> record(
      String topic, Predicate<ConsumerRecord<byte[], byte[]>> matches) {
    return await()
        .atMost(Duration.ofSeconds(30))
        .until(
            () ->
                ReadTopics.all(installation.kafkaBootstrap(), topic).stream()
                    .filter(matches)
                    .findFirst(),
            Optional::isPresent)
        .orElseThrow();
  }

  private static String header(ConsumerRecord<byte[], byte[]> record, String name) {
    var header = record.headers().lastHeader(name);
    return header == null ? "" : new String(header.value(), StandardCharsets.UTF_8);
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
