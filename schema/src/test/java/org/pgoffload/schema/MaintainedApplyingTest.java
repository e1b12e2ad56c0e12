package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// As whom answers are written, in which portions rows are read and written, and what an answer
/// depends on.
final class MaintainedApplyingTest extends WithMaintainedRows {
  private void set(String setting, int value) {
    database
        .admin()
        .run("update pgoffload.setting set value = ? where name = ?", "" + value, setting);
  }

  @AfterEach
  void resetSettings() {
    set("maintained_step", 500);
    set("maintained_ahead", 1000);
  }

  @Test
  void writesAsTheRoleThatHasDeclaredWithAPathOfItsOwn() {
    database
        .admin()
        .run(
            """
            create role keeper_chief login password 'keeper_chief';
            grant keeper, pgbackground_role to keeper_chief;
            create table shop.audit (told text);
            grant insert on shop.audit to keeper;
            create function shop.audit() returns trigger language plpgsql as $$
            begin
              insert into shop.audit values (concat_ws(' ', session_user, current_user, current_setting('search_path')));
              return null;
            end $$;
            create trigger audit after update on shop.ticket for each row execute function shop.audit()
            """);
    try {
      var chief = as("keeper_chief");
      chief.run("set search_path = shop; set role keeper");
      chief.run(MOOD.replace("select llm", "select public.llm"));
      write(1, "a");
      answerAll();
      assertThat(database.admin().rows("select told from shop.audit"))
          .containsExactly("keeper_chief keeper pg_catalog, pg_temp");
    } finally {
      database.admin().run("drop role keeper_chief");
    }
  }

  @Test
  void writesSoManyAnswersInOneTransaction() {
    keeper.run(MOOD);
    set("maintained_step", 2);
    for (int i = 1; i <= 5; i++) {
      write(i, "t" + i);
    }
    for (var request : asked()) {
      database.record(database.answered(request.id(), "keeper", "good"));
    }
    sql.run(database.onlySent());
    assertThat(database.admin().number("select count(mood) from shop.ticket")).isEqualTo(2);
    answerAll();
    assertThat(
            database
                .admin()
                .rows(
                    "select count(*), count(distinct xmin::text) from shop.ticket where mood = 'good'"))
        .containsExactly("5|3");
  }

  @Test
  void aBackfillAsksNoFurtherAheadThanItMayAndWhatHasChangedFirst() {
    for (int i = 1; i <= 9; i++) {
      write(i, "t" + i);
    }
    set("maintained_step", 2);
    set("maintained_ahead", 3);
    keeper.run(MOOD.replace("ask =>", "backfill => true, ask =>"));
    keeper.run("select llm_maintain_pause('mood')");
    writer.run("update shop.ticket set body = 'changed' where id = 8");
    keeper.run("select llm_maintain_resume('mood')");
    var asked = new ArrayList<SentRequest>();
    for (int i = 0; i < 5; i++) {
      step();
      for (var request : database.sent()) {
        if (request.envelope().kind().equals("sql")) {
          sql.run(request);
        } else {
          asked.add(request);
        }
      }
    }
    assertThat(asked.stream().map(WithMaintainedRows::prompt))
        .containsExactly("The mood of: t8 changed", "The mood of: t1 t1", "The mood of: t2 t2");
    assertThat(shown("status, pending")).isEqualTo("backfilling|3");
    // who writes does not wait for it
    write(10, "new");
    var written = asked();
    assertThat(written.stream().map(WithMaintainedRows::prompt))
        .containsExactly("The mood of: new new");
    asked.addAll(written);
    for (var request : asked) {
      database.record(
          database.answered(request.id(), "keeper", prompt(request).toUpperCase(Locale.ROOT)));
    }
    answerAll();
    assertThat(database.admin().number("select count(mood) from shop.ticket")).isEqualTo(10);
    assertThat(shown("status, done")).isEqualTo("active|10");
  }

  @Test
  void anAnswerIsOfItsTemplateModelAndOptions() {
    var configurations = new HashSet<String>();
    var declarations =
        List.of(
            "'mood', ask => '{body}'",
            "'mood', ask => '{body}.'",
            "'mood', ask => '{body}', model => 'm'",
            "'mood', ask => '{body}', provider => 'p'",
            "'mood', ask => '{body}', system => 's'",
            "'mood', ask => '{body}', options => '{\"temperature\": 1}'",
            "'mood', ask => '{body}', options => '{\"temperature\": 2}'",
            "'mood', ask => '{body}', response_schema => '{\"type\": \"string\"}'",
            "'angry', ask => '{body}'",
            "'embedding', embed => '{body}'",
            "'embedding', embed => '{body}', options => '{\"dimensions\": 3}'");
    for (var declaration : declarations) {
      keeper.run(
          "select llm_maintain('m', source => 'shop.ticket', target => " + declaration + ")");
      configurations.add(
          database.admin().value("select configuration from pgoffload.maintained_column"));
      keeper.run("select llm_maintain_drop('m')");
    }
    for (var tokens : List.of("400", "401")) {
      keeper.run(
          "select llm_maintain('m', source => 'shop.ticket', into_table => 'shop.ticket_chunk', embed => '{body}',"
              + " chunk => '{\"tokens\": "
              + tokens
              + "}')");
      configurations.add(
          database.admin().value("select configuration from pgoffload.maintained_column"));
      keeper.run("select llm_maintain_drop('m')");
    }
    assertThat(configurations).hasSize(declarations.size() + 2);
  }

  @Test
  void writesJsonAndDates() {
    database.admin().run("alter table shop.ticket add column due date, add column days date[]");
    keeper.run(
        "select llm_maintain('facts', source => 'shop.ticket', target => 'facts', ask => 'facts of {body}',"
            + " response_schema => '{\"type\": \"object\"}')");
    keeper.run(
        "select llm_maintain('due', source => 'shop.ticket', target => 'due', ask => 'due of {body}')");
    keeper.run(
        "select llm_maintain('days', source => 'shop.ticket', target => 'days', ask => 'days of {body}')");
    write(1, "b");
    answerAll(request ->
        database.answered(
            request.id(),
            "keeper",
            switch (prompt(request)) {
              case "facts of b" -> "{\"a\": [1, null]}";
              case "due of b" -> "{\"answer\": \"2026-03-01\"}";
              default -> "{\"answer\": [\"2026-03-01\", \"2026-04-01\"]}";
            }));
    assertThat(database.admin().rows("select facts, due, days from shop.ticket"))
        .containsExactly("{\"a\": [1, null]}|2026-03-01|{2026-03-01,2026-04-01}");
  }

  @Test
  void aChangeOfTheOwnerIsCheckedAgain() {
    database
        .admin()
        .run(
            "alter table shop.ticket owner to keeper; alter table shop.ticket enable row level security");
    database.admin().run("create policy everything on shop.ticket using (true) with check (true)");
    keeper.run(MOOD);
    write(1, "a");
    var request = asked().getFirst();
    database
        .admin()
        .run(
            "alter table shop.ticket owner to ticket_owner; grant select, update, trigger on shop.ticket to keeper");
    write(2, "b");
    assertThat(asked()).isEmpty();
    database.record(database.answered(request.id(), "keeper", "A"));
    answerAll();
    assertThat(database.admin().number("select count(mood) from shop.ticket")).isZero();
    assertThat(shown("status")).isEqualTo("blocked");
    assertThat(shown("paused")).contains("row-level security of shop.ticket applies");
    database.admin().run("alter table shop.ticket owner to keeper");
    answerAll();
    assertThat(ticket(1, "mood") + ticket(2, "mood")).isEqualTo("ATHE MOOD OF: B B");
  }

  @Test
  void forgetsOnceADayWhatItKnowsOfRowsThatHaveGone() {
    keeper.run(MOOD);
    for (int i = 1; i <= 25; i++) {
      write(i, "t" + i);
    }
    answerAll();
    // ten rows at a time
    set("maintained_step", 1);
    writer.run("delete from shop.ticket where id % 5 = 0");
    writer.run("update shop.ticket set mood = null where id = 1");
    step();
    assertThat(known()).isEqualTo(25);
    database
        .admin()
        .run("update pgoffload.maintained_sweep set ended_at = ended_at - interval '25 hours'");
    answerAll();
    assertThat(known()).isEqualTo(20);
    assertThat(
            database
                .admin()
                .rows(
                    "select after, ended_at > now() - interval '1 hour' from pgoffload.maintained_sweep"))
        .containsExactly("null|t");
    // and asks about nothing
    assertThat(ticket(1, "mood")).isEqualTo("null");
    assertThat(shown("pending, done")).isEqualTo("0|25");
  }

  private long known() {
    return database.admin().number("select count(*) from pgoffload.maintained_row");
  }
}
