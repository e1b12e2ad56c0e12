package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.Result;

/// JSON, many questions at once, embeddings, cancelling and repeating.
final class LlmCallsTest extends OnPostgresVersions {
  private static final float[] FIRST = {1, -2.5f, 0.1f};
  private static final float[] SECOND = {1e-7f, 0, 3};

  private Session app;

  @BeforeEach
  void logIn() {
    app = closedAfterTheTest(database.open("app"));
  }

  @Test
  void asksForJsonThatSatisfiesASchema() {
    var call =
        calling(() -> app.rows("select llm_ask_json('p', '{\"type\": \"object\"}', 'm') ->> 'a'"));
    var request = database.awaitSent();
    assertThat(request.envelope().payload())
        .hasToString(
            "{\"prompt\":\"p\",\"model\":\"m\",\"response_schema\":{\"type\":\"object\"}}");
    database.record(database.answered(request.id(), "app", "{\"a\": \"ä\"}"));
    assertThat(call.join()).containsExactly("ä");
  }

  @Test
  void raisesTheFailureOfACallForJson() {
    var call = calling(() -> List.of(app.refused("select llm_ask_json('p', '{}')").message()));
    var id = database.awaitSent().id();
    database.record(database.ended(id, "app", "failed", "schema_mismatch", "no city"));
    assertThat(call.join())
        .containsExactly("llm request %d failed: schema_mismatch: no city".formatted(id));
  }

  @Test
  void raisesAMismatchForAnAnswerThatJsonbDoesNotHold() {
    var call =
        calling(() -> {
          var refused = app.refused("select llm_ask_json('p', '{}')");
          return List.of(refused.state(), refused.message());
        });
    var id = database.awaitSent().id();
    database.record(database.answered(id, "app", "{\"a\": 1e999999}"));
    assertThat(call.join())
        .containsExactly(
            "LM001",
            "llm request %d failed: schema_mismatch: jsonb does not hold the answer: value overflows numeric format"
                .formatted(id));
  }

  @Test
  void showsTheAnswerAsJsonWhereASchemaWasGiven() {
    var structured = app.number("select llm_submit('p', response_schema => '{}')");
    var broken = app.number("select llm_submit('p', response_schema => '{}')");
    var plain = database.inserted("app");
    database.record(
        database.answered(structured, "app", "{\"a\": [1]}"),
        database.answered(broken, "app", "{\"a\": \"\\u0000\"}"),
        database.answered(plain, "app", "{\"a\": [1]}"));
    assertThat(
            app.rows(
                "select r.json, r.json is null from unnest(?::bigint[]) with ordinality u (id, n),"
                    + " lateral llm_response(u.id) r order by n",
                (Object) new Long[] {structured, broken, plain}))
        .containsExactly("{\"a\": [1]}|f", "null|t", "null|t");
  }

  @Test
  void asksManyAtOnceAndKeepsTheirOrder() {
    var call =
        calling(() ->
            app.rows(
                "select * from llm_ask_many('{one,two,three,four}', 'm', system => 's', provider => 'p')"));
    var sent = database.awaitSent(4);
    assertThat(sent)
        .extracting(r -> r.envelope().payload().path("prompt").asText())
        .containsExactly("one", "two", "three", "four");
    assertThat(sent.getLast().envelope().payload())
        .hasToString("{\"prompt\":\"four\",\"system\":\"s\",\"model\":\"m\",\"provider\":\"p\"}");
    database.record(
        database.answered(sent.get(3).id(), "app", "4"),
        database.ended(sent.get(1).id(), "app", "failed", "rate_limited", "too fast"));
    assertThat(call).isNotDone();
    database.record(database.ended(sent.get(2).id(), "app", "expired", "deadline_passed", "late"));
    database.record(database.answered(sent.get(0).id(), "app", "1"));
    assertThat(call.join())
        .containsExactly(
            "1|1|null",
            "2|null|rate_limited: too fast",
            "3|null|deadline_passed: late",
            "4|4|null");
  }

  @Test
  void givesUpThoseOfManyThatAreLate() {
    var call =
        calling(() -> app.rows("select * from llm_ask_many('{one,two}', timeout => '50 ms')"));
    var sent = database.awaitSent(2);
    database.record(database.answered(sent.getLast().id(), "app", "2"));
    assertThat(call.join())
        .containsExactly(
            "1|null|deadline_passed: llm request %d was not answered in time"
                .formatted(sent.getFirst().id()),
            "2|2|null");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "array['a', null] | prompt 2 of 2 is empty",
        "array['', 'a'] | prompt 1 of 2 is empty",
        "array['a', E' \\n', 'b'] | prompt 2 of 3 is empty",
      })
  void refusesAnEmptyOneAmongManyBeforeAnythingIsSent(String prompts, String message) {
    var error = app.refused("select * from llm_ask_many(" + prompts + ")");
    assertThat(error.state()).isEqualTo("22023");
    assertThat(error.message()).isEqualTo(message);
    assertThat(error.detail()).isEqualTo("Nothing was sent.");
    assertThat(app.refused("select * from llm_ask_many('{a}', options => '{\"x\": 1}')").state())
        .isEqualTo("22023");
    assertThat(app.rows("select * from llm_ask_many('{}')")).isEmpty();
    assertThat(app.rows("select * from llm_ask_many(null)")).isEmpty();
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void letsAPromptThatIsTooLargeNotSpoilTheOthers() {
    database
        .admin()
        .run("update pgoffload.setting set value = '2000' where name = 'max_request_bytes'");
    try {
      var call =
          calling(() -> app.rows("select * from llm_ask_many(array['a', repeat('b', 2000), 'c'])"));
      var sent = database.awaitSent(2);
      database.record(
          database.answered(sent.get(0).id(), "app", "1"),
          database.answered(sent.get(1).id(), "app", "3"));
      assertThat(call.join())
          .satisfiesExactly(
              row -> assertThat(row).isEqualTo("1|1|null"),
              row ->
                  assertThat(row).startsWith("2|null|request_too_large: the request is too large"),
              row -> assertThat(row).isEqualTo("3|3|null"));
    } finally {
      database
          .admin()
          .run("update pgoffload.setting set value = '16777216' where name = 'max_request_bytes'");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"'{a,b}'", "'{a,b}'::text", "'{a,b}'::varchar"})
  void embedsOneText(String input) {
    var call = calling(() -> app.rows("select llm_embed(" + input + ", 'm', 3, '1 min', 'p')"));
    var request = database.awaitSent();
    assertThat(request.envelope().kind()).isEqualTo("embed");
    assertThat(request.envelope().payload())
        .hasToString(
            "{\"model\":\"m\",\"provider\":\"p\",\"options\":{\"dimensions\":3},\"inputs\":[\"{a,b}\"]}");
    database.record(database.embedded(request.id(), "app", FIRST));
    assertThat(call.join()).containsExactly("{1,-2.5,0.1}");
  }

  @ParameterizedTest
  @ValueSource(strings = {"array['a', 'b']", "'{a,b}'::text[]", "'{a,b}'::varchar[]"})
  void embedsManyTextsInTheirOrder(String inputs) {
    var call = calling(() -> app.rows("select * from llm_embed(" + inputs + ")"));
    var request = database.awaitSent();
    assertThat(request.envelope().payload()).hasToString("{\"inputs\":[\"a\",\"b\"]}");
    database.record(database.embedded(request.id(), "app", FIRST, SECOND));
    assertThat(call.join()).containsExactly("1|{1,-2.5,0.1}", "2|{1e-07,0,3}");
  }

  @Test
  void embedsWithTheTransactionToo() {
    var id =
        app.number("insert into llm_request (kind, inputs) values ('embed', '{a,b}') returning id");
    assertThat(app.rows("select * from llm_embeddings(?)", id)).isEmpty();
    database.record(database.embedded(id, "app", FIRST, SECOND));
    assertThat(app.rows("select * from llm_embeddings(?)", id))
        .containsExactly("1|{1,-2.5,0.1}", "2|{1e-07,0,3}");
    assertThat(app.rows("select status, embeddings from llm_response(?)", id))
        .containsExactly("succeeded|{{1,-2.5,0.1},{1e-07,0,3}}");
    var noText = app.refused("select llm_result(?)", id);
    assertThat(noText.state()).isEqualTo("42809");
    assertThat(noText.hint()).isEqualTo("select * from llm_embeddings(" + id + ")");
    var one =
        app.number("insert into llm_request (kind, prompt) values ('embed', 'a') returning id");
    database.record(database.ended(one, "app", "failed", "embeddings_not_supported", "none here"));
    assertThat(app.refused("select llm_embeddings(?)", one))
        .extracting(SqlError::state, SqlError::message)
        .containsExactly(
            "LM001", "llm request " + one + " failed: embeddings_not_supported: none here");
    assertThat(database.sent())
        .extracting(r -> r.envelope().payload().toString())
        .containsExactly("{\"inputs\":[\"a\",\"b\"]}", "{\"inputs\":[\"a\"]}");
    var ask = database.inserted("app");
    database.record(database.answered(ask, "app", "a"));
    assertThat(app.refused("select llm_embeddings(?)", ask).state()).isEqualTo("42809");
  }

  @Test
  void recordsAnImmediateRequestForEmbeddingsWithItsClaim() {
    var call =
        calling(() ->
            app.rows("select * from llm_embed(array['ä', '\"b\"', 'c, d'], timeout => '1 s')"));
    var request = database.awaitSent();
    try (var worker = database.worker("w")) {
      assertThat(worker.claim(request)).containsExactly("claimed|1");
    }
    assertThat(
            database
                .admin()
                .rows(
                    "select kind, prompt, inputs, provider, retry_of from llm_request where id = ?",
                    request.id()))
        .containsExactly("embed|null|{ä,\"\\\"b\\\"\",\"c, d\"}|null|null");
    database.record(database.embedded(request.id(), "app", FIRST, FIRST, FIRST));
    assertThat(call.join()).hasSize(3);
  }

  @Test
  void cancelsAtOnceWhatHasNotEnded() {
    var id = database.inserted("app");
    database.sent();
    app.run("begin");
    assertThat(app.value("select llm_cancel(?)", id)).isEqualTo("t");
    app.run("rollback");
    var command = database.onlySent();
    assertThat(command.transactional()).isFalse();
    assertThat(command.envelope().kind()).isEqualTo("cancel");
    assertThat(command.id()).isEqualTo(id);
    assertThat(command.envelope().requestedBy().userOid()).isEqualTo(database.oid("app"));
    app.run("begin read only");
    assertThat(app.value("select llm_cancel(?)", id)).isEqualTo("t");
    app.run("commit");
    try (var worker = database.worker("w")) {
      assertThat(worker.cancel(id, database.oid("app"))).isEqualTo("claimed|ask|1|app");
      assertThat(app.value("select llm_cancel(?)", id)).isEqualTo("t");
    }
    database.sent();
    database.record(database.ended(id, "app", "cancelled", "cancelled", "by app"));
    assertThat(app.value("select llm_cancel(?)", id)).isEqualTo("f");
    assertThat(app.value("select llm_status(?)", id)).isEqualTo("cancelled");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void aCancellationCountsThoughItsCommandIsNeverRead() {
    var id = database.inserted("app");
    var asked = database.onlySent();
    assertThat(app.value("select llm_cancel(?)", id)).isEqualTo("t");
    database.sent();
    try (var worker = database.worker("w")) {
      assertThat(worker.claim(asked)).containsExactly("cancelled|1");
    }
  }

  @Test
  void aSecondCancellationIsSentBeforeTheTransactionOfTheFirstHasEnded() {
    var id = database.inserted("app");
    database.sent();
    try (var second = database.open("app")) {
      app.run("begin");
      app.run("select llm_cancel(?)", id);
      database.onlySent();
      var cancelled =
          database.beginWaiting(
              second, "transactionid", () -> second.value("select llm_cancel(?)", id));
      assertThat(database.onlySent().id()).isEqualTo(id);
      app.run("rollback");
      assertThat(cancelled.join()).isEqualTo("t");
    }
  }

  @Test
  void noWorkerWaitsForATransactionThatHasCancelled() {
    var id = database.inserted("mallory");
    database.sent();
    var by = database.oid("mallory");
    try (var mallory = database.open("mallory");
        var worker = database.worker("w")) {
      mallory.run("begin");
      assertThat(mallory.value("select llm_cancel(?)", id)).isEqualTo("t");
      worker.session().run("set lock_timeout = '5s'");
      assertThat(worker.cancel(id, by)).isEqualTo("claimed|ask|1|mallory");
      worker.session().run("reset lock_timeout");
      assertThat(
              mallory
                  .refused("insert into pgoffload.cancellation (id, by_oid) values (?, ?)", id, by)
                  .state())
          .isEqualTo("42501");
    }
  }

  @Test
  void recordsACancellationInTheOwnNameAlone() {
    try (var mallory = database.open("mallory")) {
      assertThat(
              mallory
                  .refused(
                      "insert into pgoffload.cancellation (id, by_oid, by_caller) values (1, ?, true)",
                      database.oid("app"))
                  .state())
          .isEqualTo("42501");
    }
  }

  @Test
  void recordsNoCancellationOfWhatTheRoleDoesNotSee() {
    var own = database.inserted("mallory");
    var others = database.inserted("app");
    database.sent();
    var insert =
        "insert into pgoffload.cancellation (id, by_oid, by_caller)"
            + " select i, 'mallory'::regrole, true from unnest(?::bigint[]) i";
    try (var mallory = database.open("mallory")) {
      for (var id : new Long[] {others, own + 1_000_000, (1L << 35) + 1}) {
        assertThat(mallory.refused(insert, (Object) new Long[] {own, id}).state())
            .isEqualTo("42501");
      }
      mallory.run(insert, (Object) new Long[] {own});
    }
  }

  @Test
  void refusesToCancelOrRepeatWhatTheTransactionHasInserted() {
    app.run("begin");
    var id = app.number("select llm_submit('p')");
    app.run("savepoint s");
    var cancel = app.refused("select llm_cancel(?)", id);
    assertThat(cancel.state()).isEqualTo("55000");
    assertThat(cancel.hint()).startsWith("Roll back");
    app.run("rollback to s");
    assertThat(app.refused("select llm_retry(?)", id).state()).isEqualTo("55000");
    app.run("rollback");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void doesNotTakeARequestForSqlForOneOfItsOwn() {
    try (var mallory = database.open("mallory");
        var worker = database.sqlWorker("s")) {
      var id = mallory.number("insert into sql_request (command) values ('select 1') returning id");
      worker.claim(database.onlySent());
      for (var call : new String[] {"llm_cancel(?)", "llm_retry(?)"}) {
        assertThat(mallory.refused("select " + call, id).state()).isEqualTo("42704");
      }
      assertThat(database.sent()).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llm_embeddings(?)", "llm_stream(?)", "llm_cancel(?)", "llm_retry(?)"})
  void saysThatAnIdIsUnknown(String call) {
    var error = app.refused("select " + call, 4711);
    assertThat(error.state()).isEqualTo("42704");
    assertThat(error.message()).isEqualTo("llm request 4711 does not exist");
  }

  @Test
  void repeatsWhatHasEndedAsANewRequestOfTheCaller() {
    var id =
        app.number(
            """
            insert into llm_request (prompt, system, messages, model, options, timeout, ordering_key, tags, provider,
              response_schema)
            values ('p', 's', '[{"role": "assistant", "content": "c"}]', 'm', '{"temperature": 1}', '90 s', 'k',
              '{"a": 1}', 'q', '{"type": "object"}') returning id
            """);
    var first = database.onlySent().envelope();
    var pending = app.refused("select llm_retry(?)", id);
    assertThat(pending.state()).isEqualTo("55000");
    assertThat(pending.message()).isEqualTo("llm request " + id + " is still queued");
    database.record(database.ended(id, "app", "failed", "c", "m"));
    long again;
    try (var lead = database.open("lead")) {
      again = lead.number("select llm_retry(?)", id);
      assertThat(lead.value("select retry_of from llm_response(?)", again))
          .isEqualTo(String.valueOf(id));
    }
    var second = database.onlySent().envelope();
    assertThat(second.id()).isEqualTo(again);
    assertThat(second.requestedBy().user()).isEqualTo("lead");
    assertThat(second.timeout()).isEqualTo(first.timeout());
    assertThat(second.orderingKey()).isEqualTo("k");
    assertThat(second.payload().path("retry_of").asLong()).isEqualTo(id);
    var payload = second.payload().<ObjectNode>deepCopy();
    payload.remove("retry_of");
    assertThat(payload).isEqualTo(first.payload());
    // the member's request is not the role's
    assertThat(app.refused("select llm_status(?)", again).state()).isEqualTo("42704");
    app.run("begin");
    app.number("select llm_retry(?)", id);
    app.run("rollback");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void repeatsARequestForEmbeddings() {
    var id =
        app.number("insert into llm_request (kind, inputs) values ('embed', '{a,b}') returning id");
    database.record(database.ended(id, "app", Result.EXPIRED, "deadline_passed", "m"));
    app.run("select llm_retry(?)", id);
    assertThat(database.sent())
        .extracting(r -> r.envelope().payload().path("inputs").toString())
        .isEqualTo(Collections.nCopies(2, "[\"a\",\"b\"]"));
  }

  @Test
  void letsNobodyRepeatWhatIsAnothers() {
    var id = database.inserted("app");
    try (var mallory = database.open("mallory")) {
      var error = mallory.refused("insert into llm_request (prompt, retry_of) values ('p', ?)", id);
      assertThat(error.state()).isEqualTo("22023");
      assertThat(error.message()).startsWith("retry_of must be the id of a request");
    }
  }

  /// Starts a call that waits for what the test does.
  private static CompletableFuture<List<String>> calling(Supplier<List<String>> call) {
    return CompletableFuture.supplyAsync(call);
  }
}
