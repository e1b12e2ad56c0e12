package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.Locale;
import org.junit.jupiter.api.Test;

/// Maintained columns beside writers, tables, roles and triggers that do odd things: no change is
/// lost, and nobody waits.
final class MaintainedWritersTest extends WithMaintainedRows {
  @Test
  void anAnswerWaitsForALockedRowAndHoldsNobodyUp() {
    keeper.run(MOOD);
    write(1, "a");
    write(2, "b");
    writer.run("begin; update shop.ticket set size = 1 where id = 1");
    for (var request : asked()) {
      database.record(
          database.answered(request.id(), "keeper", prompt(request).toUpperCase(Locale.ROOT)));
    }
    // each step tries it again
    step();
    sql.runAll();
    assertThat(ticket(1, "mood") + ticket(2, "mood")).isEqualTo("nullTHE MOOD OF: B B");
    assertThat(shown("pending, done, failed, stale")).isEqualTo("1|1|0|0");
    writer.run("commit");
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: A A");
    assertThat(shown("pending, done, failed, stale")).isEqualTo("0|2|0|0");
  }

  @Test
  void aTransactionOfBeforeTheDeclarationLosesNothing() {
    writer.run("begin isolation level repeatable read; select count(*) from shop.ticket");
    keeper.run(MOOD);
    write(1, "a");
    writer.run("commit");
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: A A");
  }

  @Test
  void rightsOnTheColumnsAreEnough() {
    database
        .admin()
        .run(
            """
            create table shop.t (id int primary key, t timestamptz, body text, ans text, secret text);
            grant select (id, body), update (ans), trigger on shop.t to keeper;
            grant all on shop.t to ticket_writer
            """);
    keeper.run("select llm_maintain('mood', source => 'shop.t', target => 'ans', ask => '{body}')");
    writer.run("insert into shop.t (id, t, body) values (1, now(), 'a')");
    answerAll();
    keeper.run("select llm_maintain_pause('mood')");
    writer.run("update shop.t set body = 'b'");
    keeper.run("select llm_maintain_resume('mood')");
    answerAll();
    assertThat(database.admin().value("select ans from shop.t")).isEqualTo("B");
    assertThat(shown("failed, last_error")).isEqualTo("0|null");
  }

  @Test
  void charactersAndBitsAreComparedAndKeptWhole() {
    database
        .admin()
        .run(
            """
            create table shop.c (code char(3), bits bit(4), body text, ans char(5), primary key (code, bits));
            grant all on shop.c to ticket_writer, keeper
            """);
    keeper.run("select llm_maintain('mood', source => 'shop.c', target => 'ans', ask => '{body}')");
    writer.run("insert into shop.c values ('ab', '1010', 'two'), ('abc', '1010', 'three')");
    answerAll();
    assertThat(database.admin().rows("select code, bits, ans from shop.c order by 1"))
        .containsExactly("ab |1010|TWO  ", "abc|1010|THREE");
  }

  @Test
  void aRowWithoutAnAnswerIsAskedAboutWhateverIsKnownOfIt() {
    keeper.run(MOOD);
    write(1, "a");
    answerAll();
    keeper.run("select llm_maintain_pause('mood')");
    writer.run("delete from shop.ticket");
    write(1, "a");
    keeper.run("select llm_maintain_resume('mood')");
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: A A");
    writer.run("update shop.ticket set mood = null");
    keeper.run("select llm_maintain_backfill('mood')");
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: A A");
  }

  @Test
  void theManyChangesOfARowInAPauseAreAskedAboutOnce() {
    keeper.run(MOOD);
    keeper.run("select llm_maintain_pause('mood')");
    write(1, "a");
    writer.run(
        "do $$ begin for i in 1 .. 50 loop update shop.ticket set body = i::text; end loop; end $$");
    keeper.run("select llm_maintain_resume('mood')");
    step();
    sql.runAll();
    assertThat(prompts()).containsExactly("The mood of: a 50");
    assertThat(database.admin().number("select count(*) from pgoffload.maintained_due")).isZero();
  }

  @Test
  void whatATriggerChangesInAnotherRowIsAskedAbout() {
    database
        .admin()
        .run(
            """
            create function shop.pass_on() returns trigger language plpgsql
            as $$ begin update shop.ticket set body = 'child of ' || new.mood where id = 2; return null; end $$;
            create trigger pass_on after update of mood on shop.ticket for each row when (new.id = 1)
              execute function shop.pass_on()
            """);
    keeper.run("select llm_maintain_drop(name) from llm_maintained");
    database.admin().run("grant update (body) on shop.ticket to keeper");
    keeper.run(MOOD.replace("{subject} {body}", "{body}"));
    write(2, "b");
    answerAll();
    write(1, "a");
    answerAll();
    assertThat(ticket(2, "mood")).isEqualTo("THE MOOD OF: CHILD OF THE MOOD OF: A");
  }

  @Test
  void aKeyThatIsNoneAnyMoreIsAFailureAndTheOthersGoOn() {
    database
        .admin()
        .run(
            """
            create table shop.k (k text primary key, body text, ans text);
            grant all on shop.k to ticket_writer, keeper
            """);
    keeper.run("select llm_maintain('mood', source => 'shop.k', target => 'ans', ask => '{body}')");
    keeper.run("select llm_maintain_pause('mood')");
    writer.run("insert into shop.k values ('A1', 'a'), ('2', 'b')");
    database
        .admin()
        .run("alter table shop.k alter k type int using regexp_replace(k, '[^0-9]', '')::int");
    keeper.run("select llm_maintain_resume('mood')");
    answerAll();
    assertThat(database.admin().value("select ans from shop.k where k = 2")).isEqualTo("B");
    assertThat(
            keeper.rows("select key, split_part(error, ':', 1) from llm_maintain_failed('mood')"))
        .containsExactly("{\"k\": \"A1\"}|inputs_not_readable");
  }

  @Test
  void aRowThatGoesWhileItsChunksAreWrittenIsNoFailure() {
    keeper.run(
        "select llm_maintain('mood', source => 'shop.ticket', into_table => 'shop.ticket_chunk', embed => '{body}')");
    write(1, "a");
    write(2, "b");
    write(3, "c");
    for (var request : asked()) {
      database.record(database.embedded(request.id(), "keeper", new float[] {1}));
    }
    var apply = database.onlySent();
    var first = as("ticket_writer");
    var second = as("ticket_writer");
    first.run("begin; delete from shop.ticket where id = 1");
    second.run("begin; delete from shop.ticket where id = 2");
    var command = apply.envelope().payload().path("command").asText();
    try (var task = PlayedTask.begin(database, apply, sql.claim(apply))) {
      var pid = task.pid();
      var applied =
          database.beginWaiting(task.session(), "transactionid", () -> task.execute(command));
      // all rows together; then each by itself, the second of which is still there
      first.run("commit");
      awaitBlockedBy(pid, second);
      second.run("commit");
      task.complete(applied.join());
    }
    sql.published(apply.id());
    answerAll();
    assertThat(database.admin().rows("select id, chunk from shop.ticket_chunk"))
        .containsExactly("3|c");
    assertThat(shown("pending, done, failed, stale")).isEqualTo("0|1|0|2");
    assertThat(database.admin().rows("select key from pgoffload.maintained_row"))
        .containsExactly("{3}");
  }

  private void awaitBlockedBy(long pid, Session holder) {
    var holding = String.valueOf(holder.number("select pg_backend_pid()"));
    await()
        .pollInterval(Duration.ofMillis(10))
        .until(() ->
            holding.equals(
                database
                    .admin()
                    .value("select array_to_string(pg_blocking_pids(?::int), ',')", (int) pid)));
  }
}
