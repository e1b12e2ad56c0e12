package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.awaitRows;
import static org.pgoffload.dev.tests.Sql.query;
import static org.pgoffload.dev.tests.Sql.value;

import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.RecordHeaders;

/// `pgoffload dead-letters`, with letters as they come about.
class DeadLettersTest extends OnSharedInstallation {
  private Connection admin;
  private Command.Outcome ran = new Command.Outcome(0, "", "");

  @BeforeEach
  void connectAsAdministrator() throws SQLException {
    admin = installation.admin().connect("test");
  }

  @AfterEach
  void disconnectAdministrator() throws SQLException {
    admin.close();
  }

  @Test
  void whatCameTooLateIsListedShownAndSentAgain() throws Exception {
    var id = tooOld("ask", "{\"prompt\":\"say it \\u001b[31magain\"}");
    awaitRows(admin, "select error_code from pgoffload.llm_result where id = " + id, "too_old");
    var line = listed(id);
    assertThat(line).contains("too_old", " ask ", " app ", "h old");
    var position = position(line);

    assertThat(run("dead-letters", "list", "--json", "--reason", "too_old", "--since", "1h"))
        .isZero();
    assertThat(ran.output())
        .contains("\"position\":\"" + position + "\"")
        .contains("\"id\":" + id + ",");
    assertThat(run("dead-letters", "list", "--since", "2999-01-01T00:00:00Z")).isZero();
    assertThat(ran.output()).isEqualToIgnoringNewLines("No dead letters.");

    assertThat(run("dead-letters", "show", position)).isZero();
    assertThat(ran.output())
        .contains("header pgoffload-reason: too_old", "requests.llm-", "\"prompt\":\"say it ")
        .doesNotContain("\u001b");

    assertThat(run("dead-letters", "replay", position)).isZero();
    var again = ran.output().strip().replaceAll(".* as request ", "");
    assertThat(waitFor(again)).isEqualTo("succeeded");
    assertThat(query(app, "select retry_of from llm_response(" + again + ")"))
        .containsExactly(Long.toString(id));
    assertThat(query(app, "select requested_by from llm_request where id = " + again))
        .containsExactly("app");

    // once, unless it is forced
    assertThat(run("dead-letters", "replay", position)).isOne();
    assertThat(ran.errors()).contains("was sent again already, as request " + again, "--force");
    assertThat(run("dead-letters", "replay", "--all", "--reason", "too_old")).isZero();
    assertThat(ran.output()).contains("was sent again already, as request " + again);
    assertThat(run("dead-letters", "replay", "--force", position)).isZero();

    // it is done with: only a list of all has it
    assertThat(run("dead-letters", "list")).isZero();
    assertThat(ran.output()).doesNotContain(position + " ");
    assertThat(run("dead-letters", "list", "--settled")).isZero();
    assertThat(ran.output()).contains(position + " ");
  }

  @Test
  void whatIsDiscardedIsListedNoMoreAndNotSentWithAll() throws Exception {
    var id = tooOld("ask", "{\"prompt\":\"forget it\"}");
    awaitRows(admin, "select error_code from pgoffload.llm_result where id = " + id, "too_old");
    var position = position(listed(id));
    assertThat(run("dead-letters", "discard", position)).isZero();
    assertThat(ran.output()).contains(position + ": is discarded");
    assertThat(run("dead-letters", "discard", position)).isZero();
    assertThat(ran.output()).contains("was replayed or discarded already");
    assertThat(lines().filter(line -> line.startsWith(position + " "))).isEmpty();
    assertThat(run("dead-letters", "replay", "--all", "--reason", "too_old")).isZero();
    assertThat(ran.output()).contains(position + ": was discarded");
    assertThat(run("dead-letters", "show", position)).isZero();
    assertThat(
            query(
                admin,
                "select what || (detail ->> 'reason') from pgoffload.action where ids = array["
                    + id
                    + "]::bigint[]"))
        .containsExactly("discard_lettertoo_old");
    // whoever names it, wants it
    assertThat(run("dead-letters", "replay", position)).isZero();
  }

  @Test
  void sqlIsSentAgainAsTheRoleThatLaunchedIt() throws Exception {
    var oid = value(admin, "select 'app'::regrole::oid");
    query(admin, "select grant_pg_background_privileges('app')");
    var id =
        tooOld(
            "sql",
            "{\"command\":\"select current_user\",\"queue_size\":65536,\"login_oid\":"
                + oid
                + ",\"settings\":{},\"session\":\"1.1\",\"depth\":0,\"submitted\":false}");
    await()
        .atMost(PATIENCE)
        .untilAsserted(() ->
            assertThat(
                    query(
                        admin,
                        "select concat_ws('|', status, error) from pgoffload.sql_result where id = "
                            + id))
                .singleElement()
                .asString()
                .startsWith("failed|"));
    assertThat(run("dead-letters", "replay", position(listed(id)))).isZero();
    var again = ran.output().strip().replaceAll(".* as request ", "");
    assertThat(waitFor(again)).isEqualTo("succeeded");
    assertThat(query(app, "select * from sql_rows(" + again + ") as (who name)"))
        .containsExactly("app");
    assertThat(query(app, "select retry_of from sql_request where id = " + again))
        .containsExactly(Long.toString(id));
  }

  @Test
  void whatIsNotOursIsRefusedWithWhatToDo() throws Exception {
    var there = positions();
    send(envelope(4711, "ask", "{\"prompt\":\"evil\"}", Instant.now()), "1:" + "0".repeat(64));
    var forged = awaitNew("bad_signature", there);
    assertThat(run("dead-letters", "replay", forged)).isOne();
    assertThat(ran.errors()).contains("not signed by this installation", "asked again");

    send("\u0000garbage", "");
    var garbage = awaitNew("malformed", there);
    assertThat(run("dead-letters", "replay", garbage)).isOne();
    assertThat(ran.errors()).contains("no signed request");
    assertThat(run("dead-letters", "show", garbage)).isZero();
    assertThat(ran.output()).contains("\\u0000garbage");
  }

  @Test
  void anAnswerThatNobodyAskedForIsListedShownAndNotSentAgain() throws Exception {
    long id = Long.parseLong(value(admin, "select nextval('pgoffload.request_id')"));
    sendTo(
        installation.topics().results(),
        """
        {"version":1,"id":%d,"kind":"ask","status":"succeeded","requested_by":"app",\
        "requested_by_oid":10,"answer":"forged","attempts":1,"finished_at":"2026-01-02T03:04:05Z"}\
        """
            .formatted(id),
        "");
    await().atMost(PATIENCE).until(() -> lines().anyMatch(line -> line.contains(" " + id + " ")));
    var line = listed(id);
    assertThat(line).contains("unclaimed", " ask ", "no worker had claimed");
    assertThat(run("dead-letters", "show", position(line))).isZero();
    assertThat(ran.output()).contains("header pgoffload-reason: unclaimed", "forged");
    assertThat(run("dead-letters", "replay", "--all", "--reason", "unclaimed")).isOne();
    assertThat(ran.errors()).contains("it is what somebody answered, and no request");
    assertThat(query(admin, "select answer from pgoffload.llm_result where id = " + id)).isEmpty();
  }

  @Test
  void saysWhatIsWrongWithItsArguments() {
    assertThat(run("dead-letters")).isEqualTo(2);
    assertThat(run("dead-letters", "replay")).isEqualTo(2);
    assertThat(run("dead-letters", "replay", "--reason", "too_old", "x-0@1")).isEqualTo(2);
    assertThat(run("dead-letters", "replay", "--all", "--reason", "nonsense")).isEqualTo(2);
    assertThat(ran.errors()).contains("malformed, unknown_version");
    assertThat(run("dead-letters", "show", "nonsense")).isEqualTo(2);
    assertThat(ran.errors()).contains("is not a position such as");
    assertThat(run("dead-letters", "show", "other-0@1")).isEqualTo(2);
    assertThat(run("dead-letters", "show", "0@123456789")).isEqualTo(2);
    assertThat(ran.errors()).contains("there is no dead letter at 0@123456789");
    assertThat(run("dead-letters", "list", "--since", "yesterday")).isEqualTo(2);
  }

  private long tooOld(String kind, String payload) throws Exception {
    long id = Long.parseLong(value(admin, "select nextval('pgoffload.request_id')"));
    var envelope = envelope(id, kind, payload, Instant.now().minus(Duration.ofDays(4)));
    // the owner may sign whatever he likes
    try (var statement =
        admin.prepareStatement(
            "select key_id || ':' || encode(sha256(outer_pad || sha256(inner_pad ||"
                + " convert_to(?, 'UTF8'))), 'hex') from pgoffload.signer")) {
      statement.setString(1, envelope);
      var row = statement.executeQuery();
      row.next();
      send(kind, envelope, row.getString(1));
    }
    return id;
  }

  private String envelope(long id, String kind, String payload, Instant signedAt)
      throws SQLException {
    var oid = value(admin, "select 'app'::regrole::oid");
    return """
    {"version":1,"id":%d,"kind":"%s","ordering_key":null,"immediate":true,"installation":"%s",\
    "nonce":"%s","signed_at_us":%d,"timeout_ms":60000,"requested_by":{"user":"app","user_oid":%s,\
    "session_user":"app","session_user_oid":%s,"role":"none"},"payload":%s}\
    """
        .formatted(
            id,
            kind,
            value(admin, "select id from pgoffload.installation"),
            new UUID(0, id),
            signedAt.toEpochMilli() * 1000,
            oid,
            oid,
            payload);
  }

  private void send(String value, String signature) throws Exception {
    send("ask", value, signature);
  }

  private void send(String kind, String value, String signature) throws Exception {
    var topics = installation.topics();
    sendTo(kind.equals("sql") ? topics.sqlRequests() : topics.llmRequests(), value, signature);
  }

  private void sendTo(String topic, String value, String signature) throws Exception {
    try (var producer =
        new KafkaProducer<>(
            Map.of("bootstrap.servers", installation.kafkaBootstrap()),
            new ByteArraySerializer(),
            new ByteArraySerializer())) {
      var record =
          new ProducerRecord<byte[], byte[]>(topic, value.getBytes(StandardCharsets.UTF_8));
      if (!signature.isEmpty()) {
        record.headers().add(RecordHeaders.SIGNATURE, signature.getBytes(StandardCharsets.UTF_8));
      }
      producer.send(record).get();
    }
  }

  /// The position of a letter that was not there.
  private String awaitNew(String reason, Set<String> there) {
    return await()
        .atMost(PATIENCE)
        .until(
            () ->
                lines()
                    .filter(line -> line.contains(reason))
                    .map(DeadLettersTest::position)
                    .filter(position -> !there.contains(position))
                    .findFirst(),
            Optional::isPresent)
        .orElseThrow();
  }

  private Set<String> positions() {
    return lines().map(DeadLettersTest::position).collect(Collectors.toSet());
  }

  private static String position(String line) {
    return line.split(" ", 2)[0];
  }

  private String listed(long id) {
    return lines()
        .filter(line -> line.matches("(\\S+ +){3}" + id + " .*"))
        .findFirst()
        .orElseThrow();
  }

  private Stream<String> lines() {
    assertThat(run("dead-letters", "list")).isZero();
    return ran.output().lines();
  }

  private int run(String... arguments) {
    var all = new ArrayList<>(List.of(arguments));
    if (arguments.length > 1) {
      all.addAll(
          List.of(
              "--kafka",
              installation.kafkaBootstrap(),
              "--database-url",
              installation.admin().uri()));
    }
    ran = Command.run(all.toArray(String[]::new));
    return ran.status();
  }
}
