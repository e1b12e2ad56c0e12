package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What a change of a row asks, and what becomes of the answer.
final class MaintainedRowsTest extends WithMaintainedRows {
  private static final String DONE = "pending, done, failed, stale, status";

  @BeforeEach
  void declare() {
    keeper.run(MOOD);
  }

  @Test
  void asksWithTheTransactionAndWritesTheAnswer() {
    writer.run("begin");
    write(1, "a");
    assertThat(asked()).isEmpty();
    writer.run("rollback");
    assertThat(asked()).isEmpty();
    write(1, "a");
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: A A");
    writer.run("update shop.ticket set body = 'b' where id = 1");
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: A B");
    assertThat(shown(DONE)).isEqualTo("0|2|0|0|active");
    assertThat(shown("behind")).isEqualTo("00:00:00");
  }

  @Test
  void asksAsTheDeclarerWhoeverWrites() {
    writer.run("set llm.model = 'dear'; set llm.provider = 'dear'; set llm.timeout = '1 s'");
    write(1, "a");
    assertThat(asked())
        .singleElement()
        .satisfies(request -> {
          assertThat(request.envelope().requestedBy().user()).isEqualTo("keeper");
          assertThat(request.envelope().payload().toString())
              .matches(
                  "\\{\"prompt\":\"The mood of: a a\",\"maintained\":\\{\"name\":\"mood\",\"key\":\\[\"1\"],\"hash\":\"[0-9a-f]{64}\"}}");
          assertThat(request.envelope().timeout()).hasDays(1);
        });
    assertThat(writer.refused("select * from llm_request").state()).isEqualTo("42501");
  }

  @Test
  void asksNothingWhereNothingOfTheTemplateHasChanged() {
    write(1, "a");
    answerAll();
    writer.run("update shop.ticket set body = body, size = 3, mood = 'by hand' where id = 1");
    writer.run("delete from shop.ticket");
    writer.run("truncate shop.ticket cascade");
    assertThat(asked()).isEmpty();
  }

  @Test
  void clearsTheTargetOfARowThatHasNothingToAskAbout() {
    write(1, "a");
    answerAll();
    writer.run("update shop.ticket set subject = ' ', body = null where id = 1");
    var cleared = asked();
    assertThat(cleared)
        .singleElement()
        .satisfies(request -> {
          assertThat(request.envelope().payload().has("prompt")).isFalse();
          assertThat(request.envelope().payload().at("/maintained/end/code").asText())
              .isEqualTo("blank");
        });
    database.record(database.answered(cleared.getFirst().id(), "keeper", null));
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("null");
    assertThat(shown(DONE)).isEqualTo("0|2|0|0|active");
  }

  @Test
  void anOvertakenRequestEndsWithoutACallOrItsAnswerIsStale() {
    write(1, "a");
    writer.run("update shop.ticket set body = 'b'");
    writer.run("update shop.ticket set body = 'c'");
    var requests = asked();
    assertThat(requests).extracting(WithMaintainedRows::prompt).hasSize(3);
    try (var worker = database.worker("w")) {
      assertThat(worker.claim(requests.get(0), requests.get(2)))
          .containsExactlyInAnyOrder("superseded|1", "claimed|1");
    }
    // this one was claimed while it was the newest
    database.record(database.answered(requests.get(1).id(), "keeper", "B"));
    database.record(
        database.ended(requests.get(0).id(), "keeper", "cancelled", "superseded", "overtaken"));
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("null");
    assertThat(shown(DONE)).isEqualTo("1|0|0|2|active");
    database.record(database.answered(requests.get(2).id(), "keeper", "C"));
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("C");
    assertThat(shown(DONE)).isEqualTo("0|1|0|2|active");
  }

  @Test
  void aRowThatHasGoneIsNoError() {
    write(1, "a");
    var request = asked().getFirst();
    writer.run("delete from shop.ticket");
    database.record(database.answered(request.id(), "keeper", "A"));
    answerAll();
    assertThat(shown(DONE)).isEqualTo("0|0|0|1|active");
    assertThat(database.admin().number("select count(*) from pgoffload.maintained_row")).isZero();
  }

  @Test
  void aChangedKeyAsksUnderTheNewOne() {
    write(1, "a");
    var first = asked().getFirst();
    writer.run("update shop.ticket set id = 7");
    database.record(database.answered(first.id(), "keeper", "A"));
    answerAll();
    assertThat(ticket(7, "mood")).isEqualTo("THE MOOD OF: A A");
  }

  @Test
  void followsDeclarationsOfOtherColumns() {
    keeper.run(
        "select llm_maintain('deep', source => 'shop.ticket', target => 'embedding', embed => '{mood}')");
    write(1, "a");
    answerAll(request ->
        request.envelope().kind().equals("embed")
            ? database.embedded(request.id(), "keeper", new float[] {1, prompt(request).length()})
            : database.answered(request.id(), "keeper", "good"));
    assertThat(ticket(1, "mood")).isEqualTo("good");
    assertThat(ticket(1, "embedding")).isEqualTo("{1,4}");
  }

  @Test
  void applyingNeverAsksAgainForItself() {
    database
        .admin()
        .run(
            """
            create function shop.touch() returns trigger language plpgsql
            as 'begin new.subject := new.subject || ''!''; return new; end';
            create trigger touch before update on shop.ticket for each row execute function shop.touch()
            """);
    write(1, "a");
    answerAll();
    assertThat(ticket(1, "mood || subject")).isEqualTo("THE MOOD OF: A Aa!");
    assertThat(asked()).isEmpty();
    // who only says that an answer is being written does not keep a change from being asked about
    writer.run(
        "set pgoffload.applying = 1; do $$ begin perform set_config('pgoffload.applying', i::text, false) from generate_series(1, 50) i; end $$");
    writer.run(
        "select set_config('pgoffload.applying', ?, false)",
        database.admin().value("select number from pgoffload.maintained_column"));
    writer.run("update shop.ticket set body = 'b'");
    assertThat(prompts()).containsExactly("The mood of: a!! b");
  }

  @Test
  void whatARowRefusesIsTheFailureOfThatRow() {
    database.admin().run("alter table shop.ticket add check (mood <> 'THE MOOD OF: BAD BAD')");
    write(1, "good");
    write(2, "bad");
    write(3, "fine");
    answerAll();
    assertThat(shown(DONE)).isEqualTo("0|2|1|0|active");
    assertThat(ticket(1, "mood") + ticket(2, "mood")).isEqualTo("THE MOOD OF: GOOD GOODnull");
    assertThat(
            keeper.rows(
                "select key, split_part(error, '\"', 1), attempts from llm_maintain_failed('mood')"))
        .containsExactly("{\"id\": \"2\"}|not_written: 23514: new row for relation |1");
    database.admin().run("alter table shop.ticket drop constraint ticket_mood_check");
    assertThat(keeper.value("select llm_maintain_retry('mood')")).isEqualTo("1");
    answerAll();
    assertThat(ticket(2, "mood")).isEqualTo("THE MOOD OF: BAD BAD");
    assertThat(shown(DONE)).isEqualTo("0|3|0|0|active");
  }

  @Test
  void aFailureOfTheModelIsTheRowsUntilItIsRetried() {
    write(1, "a");
    var request = asked().getFirst();
    database.record(database.ended(request.id(), "keeper", "failed", "refusal", "no"));
    answerAll();
    assertThat(shown("failed, last_error")).isEqualTo("1|refusal: no");
    keeper.run("select llm_maintain_retry('mood')");
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: A A");
    assertThat(shown("failed, last_error")).isEqualTo("0|null");
  }

  @Test
  void aTextThatIsTooLargeIsNoErrorOfTheWriter() {
    database
        .admin()
        .run("update pgoffload.setting set value = '3000' where name = 'max_request_bytes'");
    try {
      write(1, "x".repeat(3000));
      answerAll();
    } finally {
      database
          .admin()
          .run("update pgoffload.setting set value = '16777216' where name = 'max_request_bytes'");
    }
    assertThat(shown("failed, last_error")).startsWith("1|request_too_large: ");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          size     | {"answer": 12.5}                | 12.50
          angry    | {"answer": true}                | true
          at       | {"answer": "2026-03-01T00:00:00Z"} | 2026-03-01 00:00:00+00
          tags     | {"answer": ["a", "b\\"c"]}      | {a,b"c}
          feeling  | {"answer": "bad"}               | bad
          share    | {"answer": 100}                 | 100
          """)
  void readsTheAnswerAsTheTypeOfTheTarget(String target, String answer, String value) {
    keeper.run(
        "select llm_maintain('typed', source => 'shop.ticket', target => '"
            + target
            + "', ask => '{body}')");
    write(1, "b");
    answerAll(request ->
        database.answered(
            request.id(), "keeper", prompt(request).equals("b") ? answer : "anything"));
    database.admin().run("set timezone = 'UTC'");
    assertThat(
            ticket(1, "array_to_string(array[" + target + "], ',')")
                .replace("{a,\"b\\\"c\"}", "{a,b\"c}"))
        .isIn(value, value.replaceAll("[{}]", ""), value.replace("true", "t"));
  }

  @Test
  void aValueThatTheTypeRefusesIsTheRowsFailure() {
    keeper.run(
        "select llm_maintain('typed', source => 'shop.ticket', target => 'share', ask => '{body}')");
    write(1, "b");
    answerAll(request -> database.answered(request.id(), "keeper", "{\"answer\": 101}"));
    assertThat(ticket(1, "share")).isEqualTo("null");
    assertThat(keeper.value("select error from llm_maintain_failed('typed')"))
        .startsWith("not_written: 23514: ");
  }
}
