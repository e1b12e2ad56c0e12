package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.Identity;

/// What is sent when, and what is not.
final class SendingTest extends OnPostgresVersions {
  @Test
  void sendsACommittedRowOnceWithItsTransaction() {
    try (var app = database.open("app")) {
      var id =
          app.number(
              """
              insert into llm_request (prompt, system, model, options, timeout, ordering_key, tags)
              values ('Grüße', 's', 'm', '{"temperature": 0.5}', '1.5 s', 'k', '{"a": 1}') returning id
              """);
      var request = database.onlySent();
      var envelope = request.envelope();
      assertThat(request.transactional()).isTrue();
      assertThat(envelope.id()).isEqualTo(id);
      assertThat(envelope.kind()).isEqualTo("ask");
      assertThat(envelope.orderingKey()).isEqualTo("k");
      assertThat(envelope.immediate()).isFalse();
      assertThat(envelope.installation())
          .isEqualTo(database.admin().value("select id from pgoffload.installation"));
      assertThat(envelope.signedAt())
          .isBetween(Instant.now().minusSeconds(30), Instant.now().plusSeconds(1));
      assertThat(envelope.timeout()).isEqualTo(Duration.ofMillis(1500));
      assertThat(envelope.requestedBy())
          .isEqualTo(new Identity("app", database.oid("app"), "app", database.oid("app"), "none"));
      assertThat(envelope.payload())
          .hasToString(
              "{\"prompt\":\"Grüße\",\"system\":\"s\",\"model\":\"m\",\"options\":{\"temperature\":0.5},\"tags\":{\"a\":1}}");
      assertThat(database.sent()).isEmpty();
    }
  }

  @Test
  void sendsNothingBeforeTheCommit() {
    try (var app = database.open("app")) {
      app.run("begin");
      app.run("insert into llm_request (prompt) values ('p')");
      assertThat(database.sent()).isEmpty();
      app.run("commit");
      assertThat(database.sent()).hasSize(1);
    }
  }

  @Test
  void sendsNothingThatWasRolledBack() {
    try (var app = database.open("app")) {
      app.run("begin");
      app.run("insert into llm_request (prompt) values ('p')");
      app.run("select llm_submit('p')");
      app.run("rollback");
    }
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void sendsOnlyWhatASavepointKept() {
    try (var app = database.open("app")) {
      app.run("begin");
      var first = app.number("select llm_submit('kept')");
      app.run("savepoint s");
      app.run("select llm_submit('undone')");
      app.run("rollback to s");
      var last = app.number("select llm_submit('kept too')");
      app.run("commit");
      assertThat(database.sent()).extracting(SentRequest::id).containsExactly(first, last);
    }
  }

  @Test
  void sendsNothingOfAStatementThatFailed() {
    try (var app = database.open("app")) {
      assertThat(app.refused("insert into llm_request (prompt) values ('p'), ('')").state())
          .isEqualTo("22023");
      assertThat(
              app.refused(
                      "insert into llm_request (prompt) select (1 / (3 - i))::text from generate_series(1, 3) i")
                  .state())
          .isEqualTo("22012");
    }
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void sendsEveryRowOfAStatementInOrder() {
    try (var app = database.open("app")) {
      var ids =
          app.rows(
              "insert into llm_request (prompt) select 'p' || i from generate_series(1, 500) i returning id");
      assertThat(database.sent()).extracting(r -> String.valueOf(r.id())).isEqualTo(ids);
    }
  }

  @Test
  void sendsACallAtOnceAlthoughItsTransactionRollsBack() throws Exception {
    try (var app = database.open("app");
        var worker = database.worker("w")) {
      app.run("begin");
      var answer =
          CompletableFuture.supplyAsync(
              () -> app.value("select llm_ask('p', 'm', 's', '{\"temperature\": 1}', '7 s')"));
      var request = database.awaitSent();
      assertThat(request.transactional()).isFalse();
      assertThat(request.envelope().immediate()).isTrue();
      assertThat(request.envelope().timeout()).isEqualTo(Duration.ofSeconds(7));
      assertThat(request.envelope().payload())
          .hasToString(
              "{\"prompt\":\"p\",\"system\":\"s\",\"model\":\"m\",\"options\":{\"temperature\":1}}");
      assertThat(worker.claim(request)).containsExactly("claimed|1");
      database.record(database.answered(request.id(), "app", "a"));
      assertThat(answer.get()).isEqualTo("a");
      app.run("rollback");
      assertThat(app.value("select llm_result(?)", request.id())).isEqualTo("a");
      assertThat(database.sent()).isEmpty();
    }
  }

  @Test
  void sendsACallFromAReadOnlyTransactionUnderAnIdOfItsOwnRange() throws Exception {
    try (var app = database.open("app")) {
      app.run("begin read only");
      var answer = CompletableFuture.supplyAsync(() -> app.value("select llm_ask('p')"));
      var request = database.awaitSent();
      assertThat(request.id()).isBetween(1L << 35, (1L << 36) - 1);
      database.record(database.answered(request.id(), "app", "a"));
      assertThat(answer.get()).isEqualTo("a");
      app.run("commit");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"repeatable read", "serializable"})
  void refusesToWaitWhereAnswersCannotBeSeenAndSendsNothing(String isolation) {
    var id = database.inserted("app");
    database.sent();
    try (var app = database.open("app")) {
      for (var call : new String[] {"llm_ask('p')", "llm_wait(array[" + id + "])"}) {
        app.run("begin isolation level " + isolation);
        var error = app.refused("select " + call);
        assertThat(error.state()).isEqualTo("0A000");
        assertThat(error.message()).contains(isolation.toUpperCase(Locale.ROOT));
        assertThat(error.detail()).contains("Nothing was sent");
        assertThat(error.hint()).contains("READ COMMITTED");
        app.run("rollback");
      }
    }
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void insertsAlsoInSerializable() {
    try (var app = database.open("app")) {
      app.run("begin isolation level serializable");
      app.run("select llm_submit('p')");
      app.run("commit");
    }
    assertThat(database.sent()).hasSize(1);
  }

  @Test
  void doesNotSendRowsThatARestoreBringsBack() {
    database
        .admin()
        .run(
            """
            insert into llm_request (id, prompt, requested_by, requested_by_oid, created_at, created_xid, immediate)
            select nextval('pgoffload.request_id'), 'p', 'app', 'app'::regrole, now(), '3', false from generate_series(1, 3)
            """);
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void takesModelAndTimeoutFromTheSessionsSettings() {
    try (var app = database.open("app")) {
      app.run("set llm.model = 'from the setting'");
      app.run("set llm.timeout = '90 s'");
      app.run("insert into llm_request (prompt) values ('p')");
      app.run("select llm_submit('p')");
      app.run("select llm_submit('p', 'explicit', timeout => '1 s')");
      assertThat(database.sent())
          .extracting(
              r -> r.envelope().payload().path("model").asText() + " " + r.envelope().timeout())
          .containsExactly("from the setting PT1M30S", "from the setting PT1M30S", "explicit PT1S");
      app.run("set llm.model = ''");
      app.run("set llm.timeout = ''");
      app.run("select llm_submit('p')");
      var request = database.onlySent().envelope();
      assertThat(request.payload().has("model")).isFalse();
      assertThat(request.timeout()).isEqualTo(Duration.ofMinutes(5));
    }
  }

  @Test
  void takesTheProviderFromTheSessionsSettings() {
    try (var app = database.open("app")) {
      app.run("set llm.provider = 'anthropic'");
      app.run("insert into llm_request (prompt) values ('p')");
      app.run("select llm_submit('p')");
      app.run("select llm_submit('p', provider => 'openai')");
      assertThat(database.sent())
          .extracting(r -> r.envelope().payload().path("provider").asText())
          .containsExactly("anthropic", "anthropic", "openai");
      assertThat(app.rows("select distinct provider from llm_request where provider is not null"))
          .containsExactlyInAnyOrder("anthropic", "openai");
      app.run("set llm.provider = ''");
      app.run("select llm_submit('p')");
      assertThat(database.onlySent().envelope().payload()).hasToString("{\"prompt\":\"p\"}");
    }
  }

  @Test
  void takesTheDefaultsOfARole() {
    database.admin().run("alter role app set llm.model = 'of the role'");
    database.admin().run("alter role app set llm.provider = 'of_the_role'");
    try (var app = database.open("app")) {
      app.run("select llm_submit('p')");
      assertThat(database.onlySent().envelope().payload())
          .hasToString("{\"prompt\":\"p\",\"model\":\"of the role\",\"provider\":\"of_the_role\"}");
    } finally {
      database.admin().run("alter role app reset llm.model");
      database.admin().run("alter role app reset llm.provider");
    }
  }

  @Test
  void sendsNoCallTwiceAndNoSecondRow() {
    try (var app = database.open("app")) {
      var error =
          app.refused(
              """
              select pgoffload.emit_llm_request('ask', i::text, null, null, null, null, null, null, null, null, null, null)
              from generate_series(1, 2) i
              """);
      assertThat(error.state()).isEqualTo("21000");
      assertThat(error.message()).contains("one request, not one for each row");
      assertThat(
              app.value(
                  "select pgoffload.emit_llm_request('ask', 'p', null, null, null, null, null, null, null, null, null, null) where false"))
          .isNull();
    }
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void rotatesItsSigningKey() {
    var before = database.inserted("app");
    var first = database.onlySent();
    assertThat(first.id()).isEqualTo(before);
    var made = database.admin().number("select pgoffload.new_signing_key()");
    database.inserted("app");
    // sent() has verified both, the older one with the key that no longer signs
    assertThat(database.onlySent().signature().keyId())
        .isEqualTo((int) made)
        .isGreaterThan(first.signature().keyId());
  }
}
