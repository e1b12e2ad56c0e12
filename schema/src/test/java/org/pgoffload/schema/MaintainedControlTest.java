package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;

/// A maintained column is paused, resumed, retried and dropped by those who have its declarer's
/// privileges, and shows them how it stands, whatever becomes of its table.
final class MaintainedControlTest extends WithMaintainedColumns {
  private String standing() {
    return keeper.rows("select status, paused from llm_maintained").getFirst();
  }

  private long number() {
    return database.admin().number("select number from pgoffload.maintained_column");
  }

  @Test
  void isPausedAndResumedByAMemberOfTheDeclarer() {
    keeper.run(MOOD);
    var lead = as("keeper_lead");
    lead.run("select llm_maintain_pause('mood')");
    assertThat(standing()).startsWith("paused|by keeper_lead since 2");
    keeper.run("select llm_maintain_pause('mood')");
    assertThat(standing()).startsWith("paused|by keeper_lead since 2");
    lead.run("select llm_maintain_resume('mood')");
    assertThat(standing()).isEqualTo("active|null");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "llm_maintain_pause(%s)",
        "llm_maintain_resume(%s)",
        "llm_maintain_retry(%s)",
        "llm_maintain_backfill(%s)",
        "llm_maintain_failed(%s)",
        "llm_maintain_drop(%s)"
      })
  void isNobodyElsesToSeeOrChange(String call) {
    keeper.run(MOOD);
    var outsider = as("outsider");
    assertThat(outsider.rows("select name from llm_maintained")).isEmpty();
    var another = outsider.refused("select " + call.formatted("'mood'"));
    var unknown = outsider.refused("select " + call.formatted("'none'"));
    assertThat(another)
        .isEqualTo(
            new SqlError(
                unknown.state(),
                unknown.message().replace("none", "mood"),
                unknown.detail(),
                unknown.hint()));
    assertThat(unknown.state()).isEqualTo("42704");
    assertThat(outsider.refused("select " + call.formatted("null")).state()).isEqualTo("42704");
    assertThat(as("ticket_owner").refused("select " + call.formatted("'mood'")).state())
        .isEqualTo("42501");
    assertThat(keeper.value("select status from llm_maintained")).isEqualTo("active");
  }

  @Test
  void goesOnAtOnceWhereTheVendorFails() {
    keeper.run(MOOD);
    database
        .admin()
        .run(
            """
            update pgoffload.maintained_state
            set failing = 'rate_limited: too fast', failing_until = '2100-01-01Z', failing_pause = '1 min', blocked = 'b'
            """);
    keeper.run("set timezone = 'UTC'");
    assertThat(keeper.rows("select status, paused, last_error from llm_maintained"))
        .containsExactly(
            "failing|until 2100-01-01 00:00:00+00: rate_limited: too fast|rate_limited: too fast");
    keeper.run("select llm_maintain_resume('mood')");
    assertThat(keeper.rows("select status, paused, last_error from llm_maintained"))
        .containsExactly("active|null|null");
    assertThat(
            database
                .admin()
                .rows(
                    "select failing, failing_until, failing_pause, blocked from pgoffload.maintained_state"))
        .containsExactly("null|null|null|null");
  }

  @Test
  void comparesAllRowsWhenItIsTold() {
    keeper.run(MOOD);
    database.admin().run("update pgoffload.maintained_state set backfill_after = '{1}'");
    keeper.run("select llm_maintain_backfill('mood')");
    assertThat(standing()).isEqualTo("backfilling|null");
    assertThat(database.admin().value("select backfill_after from pgoffload.maintained_state"))
        .isNull();
  }

  @Test
  void retriesTheRowsThatHaveFailed() {
    keeper.run(MOOD);
    database
        .admin()
        .run(
            """
            insert into pgoffload.maintained_row (number, row_id, key, request, error_code, error_message, attempts, failed_at)
            select c.number, md5(n::text)::uuid, array[n::text], n, case when n < 3 then 'rate_limited' end, 'too fast', n,
              timestamptz '2026-01-01' + n * interval '1 day'
            from pgoffload.maintained_column c, generate_series(1, 3) n
            """);
    assertThat(
            keeper.rows(
                "select key, error, failed_at::date, attempts from llm_maintain_failed('mood')"))
        .containsExactly(
            "{\"id\": \"2\"}|rate_limited: too fast|2026-01-03|2",
            "{\"id\": \"1\"}|rate_limited: too fast|2026-01-02|1");
    assertThat(keeper.rows("select failed, pending, last_error from llm_maintained"))
        .containsExactly("2|0|rate_limited: too fast");
    assertThat(keeper.number("select llm_maintain_retry('mood')")).isEqualTo(2);
    assertThat(keeper.number("select llm_maintain_retry('mood')")).isZero();
    assertThat(
            database.admin().rows("select row_id, key from pgoffload.maintained_due order by id"))
        .containsExactly(
            "c4ca4238-a0b9-2382-0dcc-509a6f75849b|{1}", "c81e728d-9d4c-2f63-6f06-7f89cc14862c|{2}");
    assertThat(keeper.rows("select failed, pending from llm_maintained")).containsExactly("2|2");
  }

  @Test
  void countsWhatWasAskedAndWhatHasEnded() {
    keeper.run(MOOD);
    var admin = database.admin();
    admin.run(
        """
        insert into pgoffload.maintained_count (number, asked, done, failed, stale, tokens, cost)
        select number, 10, 5, 1, 1, 100, 0.5 from pgoffload.maintained_column union all
        select number, 2, 1, 0, 0, 20, 0.25 from pgoffload.maintained_column;
        insert into pgoffload.maintained_due (number, row_id, key)
        select number, md5('')::uuid, '{7}' from pgoffload.maintained_column;
        update pgoffload.maintained_state set counted_xid = pg_current_xact_id(), mark_at = now() - interval '90 s', mark_asked = 9;
        insert into llm_request (prompt, maintained) select 'p', number from pgoffload.maintained_column;
        """);
    // one that was counted, one that was restored, and another column's
    admin.run(
        """
        insert into llm_request (prompt, maintained, created_xid, immediate)
        select 'p', number, xid8 '3', true from pgoffload.maintained_column union all
        select 'p', number, '9000000000', true from pgoffload.maintained_column union all
        select 'p', -1, pg_current_xact_id(), true
        """);
    assertThat(
            keeper.rows(
                "select pending, done, failed, stale, tokens, cost, behind >= '90 s', behind < '1 h' from llm_maintained"))
        .containsExactly("6|6|0|1|120|0.75|t|t");
    admin.run("delete from llm_request");
  }

  @Test
  void dropsItsTriggerWhereItMay() throws SQLException {
    keeper.run(MOOD);
    try (var statement = keeper.connection().createStatement()) {
      statement.execute("select llm_maintain_drop('mood')");
      assertThat(statement.getWarnings().getMessage())
          .isEqualTo("the trigger stays on shop.ticket, and does nothing");
    }
    assertThat(keeper.rows("select name from llm_maintained")).isEmpty();
    // what writers do goes on
    database.admin().run("insert into shop.ticket (id) values (1)");
    // the trigger that is there serves the next one of its name
    keeper.run(MOOD);
    assertThat(standing()).isEqualTo("active|null");
    database.admin().run("alter table shop.ticket owner to keeper");
    keeper.run("select llm_maintain_drop('mood')");
    assertThat(database.admin().rows("select tgname from pg_trigger where tgname ~ '^pgoffload m'"))
        .isEmpty();
    for (var table : List.of("column", "state", "row", "due", "answer", "count", "sweep")) {
      assertThat(database.admin().number("select count(*) from pgoffload.maintained_" + table))
          .isZero();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          # the rights; a writer's row is not read from now on
          false | revoke select on shop.ticket from keeper        | lacks SELECT (body, id, subject) on shop.ticket
          false | revoke update on shop.ticket from keeper        | lacks UPDATE (mood) on shop.ticket
          false | revoke usage on schema shop from keeper         | lacks USAGE on schema shop
          false | revoke llm_user from keeper                     | has not the privileges of llm_user
          false | alter table shop.ticket enable row level security | row-level security of shop.ticket applies to role "keeper"
          true  | revoke pgbackground_role from keeper            | is not a direct member of pgbackground_role
          true  | alter role keeper nologin                       | is not permitted to log in
          true  | alter role keeper createrole                    | has CREATEROLE
          # the table
          false | drop table shop.ticket cascade                  | a table of a maintained column does not exist
          false | alter table shop.ticket drop body cascade       | has no column "body" any more, which was for the template
          false | alter table shop.ticket drop mood cascade       | has no column "mood" any more, which was for the answers
          false | alter table shop.ticket drop id cascade         | the primary key of shop.ticket is not (id) any more
          true  | alter table shop.ticket drop constraint ticket_pkey cascade | the primary key of shop.ticket is not (id) any more
          true  | alter table shop.ticket drop constraint ticket_pkey cascade, add primary key (serial) | the primary key of shop.ticket is not (id) any more
          true  | alter table shop.ticket drop upper_mood, alter mood type varchar(9) | column "mood" of shop.ticket, for the answers, is of type character varying and not text
          true  | create table shop.kid () inherits (shop.ticket) | is part of an inheritance tree
          true  | drop trigger "pgoffload maintains mood" on shop.ticket | its trigger is not on shop.ticket
          true  | alter table shop.ticket disable trigger all     | its trigger is not on shop.ticket
          """)
  void isBlockedByWhatKeepsItFromGoingOn(boolean mayGoOn, String change, String reason) {
    var admin = database.admin();
    keeper.run(MOOD);
    var undo = "grant llm_user, pgbackground_role to keeper; alter role keeper login nocreaterole";
    try {
      admin.run(change);
      // of a role without llm_user nobody but a superuser reads the view
      var seen = admin.rows("select status, paused from llm_maintained").getFirst();
      assertThat(seen).startsWith("blocked|").contains(reason);
      admin.run("set search_path = pg_catalog");
      assertThat(admin.value("select pgoffload.may_maintain(c) from pgoffload.maintained_column c"))
          .isEqualTo(mayGoOn ? "t" : "f");
      admin.run("reset search_path");
      if (!reason.contains("trigger")) {
        assertThat(admin.refused("select llm_maintain_resume('mood')").message()).contains(reason);
      }
    } finally {
      admin.run("reset search_path");
      admin.run(undo);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "drop trigger \"pgoffload maintains mood\" on shop.ticket",
        "alter table shop.ticket disable trigger all"
      })
  void makesAMissingTriggerAnew(String change) {
    keeper.run(MOOD);
    database.admin().run(change);
    assertThat(standing()).startsWith("blocked|");
    keeper.run("select llm_maintain_resume('mood')");
    assertThat(standing()).isEqualTo("active|null");
  }

  @Test
  void goesOnWithRenamedColumnsAndTables() {
    keeper.run(MOOD);
    database
        .admin()
        .run(
            """
            alter table shop.ticket rename body to "The body";
            alter table shop.ticket rename id to "No";
            alter table shop.ticket rename mood to temper;
            alter table shop.ticket rename to issue
            """);
    assertThat(keeper.rows("select source, target, status from llm_maintained"))
        .containsExactly("shop.issue|temper|active");
    assertThat(expressions())
        .isEqualTo(
            "array[pg_catalog.concat(r.\"No\")]::pg_catalog.text[]"
                + "|array[pg_catalog.concat(r.subject), pg_catalog.concat(r.\"The body\")]::pg_catalog.text[]");
    keeper.run("select llm_maintain_resume('mood')");
    assertThat(
            database
                .admin()
                .rows("select key_columns, input_columns, target from pgoffload.maintained_column"))
        .containsExactly("{No}|{subject,\"The body\"}|temper");
  }

  private String expressions() {
    database.admin().run("set search_path = pg_catalog");
    try {
      return database
          .admin()
          .rows(
              "select e.* from pgoffload.maintained_column c, pgoffload.row_expressions(c, 'r') e")
          .getFirst();
    } finally {
      database.admin().run("reset search_path");
    }
  }

  @Test
  void readsARowWithRightsOnItsColumnsAlone() {
    var admin = database.admin();
    admin.run(
        """
        revoke select, update on shop.ticket from keeper;
        grant select (id, subject, body), update (mood) on shop.ticket to keeper;
        insert into shop.ticket (id, body) values (7, 'b')
        """);
    keeper.run(MOOD);
    var texts = expressions().replace("|", ", ");
    assertThat(keeper.rows("select " + texts + " from shop.ticket r"))
        .containsExactly("{7}|{\"\",b}");
  }

  @Test
  void hasNoExpressionsForColumnsThatAreGone() {
    keeper.run(MOOD);
    database.admin().run("alter table shop.ticket drop body cascade");
    assertThat(expressions()).isEqualTo("array[pg_catalog.concat(r.id)]::pg_catalog.text[]|null");
  }

  @Test
  void isDroppedByTheOwnerWhenItsDeclarerIsGone() {
    var admin = database.admin();
    admin.run("create role keeper_2 login; grant llm_user, pgbackground_role, keeper to keeper_2");
    as("keeper_2").run(MOOD);
    admin.run("drop role keeper_2");
    assertThat(keeper.refused("select llm_maintain_drop('mood')").state()).isEqualTo("42704");
    assertThat(admin.value("select paused from llm_maintained"))
        .startsWith("the role that declared it does not exist any more");
    admin.run("select llm_maintain_drop('mood')");
    assertThat(admin.number("select count(*) from pgoffload.maintained_column")).isZero();
  }

  /// What pg_dump does: tables first, then rows, with names for oids, at last triggers.
  @Test
  void comesBackFromADumpPausedAndComparesAllRows() throws SQLException, IOException {
    var admin = database.admin();
    keeper.run(MOOD);
    admin.run(
        """
        insert into pgoffload.maintained_count (number, asked, done) select number, 9, 4 from pgoffload.maintained_column;
        insert into pgoffload.maintained_answer select number, 1 from pgoffload.maintained_column;
        update pgoffload.maintained_state set backfill_after = '{7}', mark_asked = 9
        """);
    var before = number();
    var dumped = new HashMap<String, String>();
    admin.run("set search_path = ''");
    var copy = admin.connection().unwrap(PGConnection.class).getCopyAPI();
    for (var table : List.of("maintained_column", "maintained_state", "maintained_count")) {
      var rows = new StringWriter();
      copy.copyOut("copy pgoffload." + table + " to stdout", rows);
      dumped.put(table, rows.toString());
    }
    admin.run(
        """
        truncate pgoffload.maintained_column, pgoffload.maintained_state, pgoffload.maintained_count;
        drop table shop.ticket cascade;
        create table shop.ticket (mood text, body text, subject text, extra text, id bigint primary key);
        grant select, update, trigger on shop.ticket to keeper
        """);
    for (var table : dumped.keySet()) {
      copy.copyIn("copy pgoffload." + table + " from stdin", new StringReader(dumped.get(table)));
    }
    admin.run(
        "create trigger \"pgoffload maintains mood\" after insert or update on shop.ticket for each row"
            + " execute function pgoffload.ask_maintained()");
    admin.run("reset search_path");
    admin.run("select pgoffload.adopt()");

    assertThat(standing())
        .isEqualTo(
            "paused|it was declared in another installation; to compare all rows and go on:"
                + " select llm_maintain_resume('mood')");
    keeper.run("select llm_maintain_resume('mood')");
    assertThat(keeper.rows("select status, paused, pending, done from llm_maintained"))
        .containsExactly("backfilling|null|0|4");
    assertThat(
            admin.rows(
                """
                select c.key_numbers, c.input_numbers, c.target_number, s.backfill_after, s.mark_asked,
                  (select count(*) from pgoffload.maintained_answer)
                from pgoffload.maintained_column c join pgoffload.maintained_state s on s.number = c.number
                """))
        .containsExactly("{5}|{3,2}|1|null|0|0");
    assertThat(number()).isEqualTo(before);
  }

  @Test
  void isNotTakenOverWithColumnsThatAreNotThere() {
    keeper.run(MOOD);
    database.admin().run("select pgoffload.adopt()");
    database.admin().run("alter table shop.ticket rename body to text");
    var refused = keeper.refused("select llm_maintain_resume('mood')");
    assertThat(refused.state()).isEqualTo("42703");
    database.admin().run("alter table shop.ticket rename text to body");
    database.admin().run("alter table shop.ticket rename id to no");
    assertThat(keeper.refused("select llm_maintain_resume('mood')").message())
        .isEqualTo("the primary key of shop.ticket is (no) and not (id)");
    assertThat(standing()).startsWith("paused|it was declared in another installation");
  }
}
