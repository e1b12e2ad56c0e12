package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Nobody gains by the machinery of maintained columns what it was not given.
final class MaintainedAttackTest extends WithMaintainedColumns {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "insert into llm_request (prompt, maintained) values ('p', 1)",
        "insert into llm_request (prompt, maintained_key) values ('p', '{1}')",
        "insert into llm_request (prompt, maintained_row, maintained_hash) values ('p', gen_random_uuid(), '')",
        "insert into llm_request (prompt, maintained_end) values ('p', '{}')",
        "insert into sql_request (command, maintained) values ('select 1', 1)",
        "select pgoffload.declare_stamped_column(jsonb_populate_record(null::pgoffload.maintained_column, '{}'))",
        "select pgoffload.stamp_maintained_column(null, 'm', null, null, null, 'ask', 't', null, null, null, null, null, null, null)",
        "select pgoffload.obey_maintained_command('{\"by\": 10, \"command\": \"drop\", \"name\": \"mood\"}')",
        "select pgoffload.stamp_maintained_command(null, 'drop', 'mood')",
        "select pgoffload.take_over_maintained(null)",
        "select pgoffload.resolve_columns(null)",
        "select pgoffload.login_refusal(10, 10)",
        "select * from pgoffload.maintained_column",
        "select * from pgoffload.maintained_row",
        "update pgoffload.maintained_state set paused_by = null",
        "select pgoffload.forget_maintained(1, '{}')",
        "insert into pgoffload.maintained_due (number, row_id, key) values (1, gen_random_uuid(), '{1}')",
        "insert into pgoffload.maintained_count (number, done) values (1, 1)",
      })
  void takesNoStampAndNoPartFromACaller(String statement) {
    assertThat(keeper.refused(statement).state()).isEqualTo("42501");
    isUntouched = true;
  }

  @Test
  void takesOneDeclarationAndOneCommand() {
    assertThat(
            keeper
                .refused(
                    "select pgoffload.command_maintained('pause', n) from (values ('a'), ('b')) v (n)")
                .state())
        .isEqualTo("21000");
    assertThat(
            keeper
                .refused(
                    "select pgoffload.declare_maintained(n, null, null, null, 'ask', 't', null, null, null, null, null, null, null)"
                        + " from (values ('a'), ('b')) v (n)")
                .state())
        .isEqualTo("21000");
    assertThat(keeper.value("select pgoffload.command_maintained('drop', 'mood') where false"))
        .isNull();
    keeper.run(MOOD);
    assertThat(keeper.refused("select pgoffload.command_maintained('obey', 'mood')").state())
        .isEqualTo("22023");
    assertThat(keeper.refused("select pgoffload.command_maintained(null, 'mood')").state())
        .isEqualTo("22023");
  }

  @Test
  void isDeclaredByItsCallerWhateverTheCallersPathSays() {
    database.grantCreate("outsider");
    database
        .admin()
        .run(
            "create table shop.own (id int primary key, body text, gist text); alter table shop.own owner to outsider");
    var outsider = as("outsider");
    outsider.run(EvilSchema.of("keeper"));
    outsider.run(
        """
        create function evil.pg_has_role(oid, pg_catalog.text) returns boolean language sql as 'select true';
        create function evil.format(pg_catalog.text, pg_catalog.text) returns pg_catalog.text language sql as $$select 'evil'$$;
        create function evil.to_regprocedure(pg_catalog.text) returns regprocedure language sql as 'select null::regprocedure'
        """);
    outsider.run("set search_path = evil, pg_catalog, public");
    outsider.run(
        "select public.llm_maintain('gist', source => 'shop.own', target => 'gist', ask => 'Of {body}')");
    assertThat(
            database
                .admin()
                .rows("select declarer, login, literals from pgoffload.maintained_column"))
        .containsExactly("outsider|outsider|{\"Of \",\"\"}");
    assertThat(outsider.rows("select name, status from public.llm_maintained"))
        .containsExactly("gist|active");
    // a reader with all rights
    var admin = Session.open(database.address());
    closedAfterTheTest(admin).run("set search_path = evil, pg_catalog, public");
    assertThat(admin.rows("select name, status from public.llm_maintained"))
        .containsExactly("gist|active");
    database.admin().run("drop schema evil cascade");
  }

  @Test
  void attachesItsTriggerToNothingElse() {
    keeper.run(MOOD);
    database.grantCreate("outsider");
    var outsider = as("outsider");
    outsider.run(
        """
        create schema own;
        create table own.ticket (id bigint primary key, subject text, body text, mood text);
        create trigger "pgoffload maintains mood" after insert or update on own.ticket
          for each row execute function pgoffload.ask_maintained('mood');
        create trigger other before insert or delete on own.ticket
          for each row execute function pgoffload.ask_maintained();
        create trigger each after insert on own.ticket execute function pgoffload.ask_maintained();
        insert into own.ticket values (1, 's', 'b');
        update own.ticket set body = 'c';
        drop trigger other on own.ticket;
        create or replace trigger "pgoffload maintains mood" after insert or update or delete on own.ticket
          for each row execute function pgoffload."ask_maintained mood"('mood');
        create trigger all_at_once after update on own.ticket execute function pgoffload."ask_maintained mood"();
        insert into own.ticket values (1, 's', 'b');
        update own.ticket set body = 'c';
        delete from own.ticket
        """);
    assertThat(database.admin().number("select count(*) from pgoffload.maintained_due")).isZero();
    assertThat(database.sent()).isEmpty();
    database.admin().run("drop schema own cascade");
  }

  @Test
  void takesAnyTextAndAnyNameForWhatItIs() {
    var admin = database.admin();
    admin.run(
        """
        create table shop.odd ("); drop table shop.ticket; --" text, "x}" int, "A ""b""\" text, "it's" text,
          primary key ("); drop table shop.ticket; --", "x}"));
        grant select, update, trigger on shop.odd to keeper;
        insert into shop.odd values ('{body}', 7, '"; drop', null)
        """);
    keeper.run(
        "select llm_maintain('it''s; --\"', source => 'shop.odd', target => 'it''s',"
            + " ask => '''; drop table shop.ticket; -- {{ {\"x}\"} {\"A \"\"b\"\"\"} %s $1 $$ {\"); drop table shop.ticket; --\"}')");
    admin.run("insert into shop.odd values ('k', 8, 'v', null)");
    assertThat(
            database.sent().stream()
                .map(request -> request.envelope().payload().path("prompt").asText()))
        .containsExactly("'; drop table shop.ticket; -- { 8 v %s $1 $$ k");
    admin.run("set search_path = pg_catalog");
    try {
      var texts =
          admin
              .rows(
                  "select e.* from pgoffload.maintained_column c, pgoffload.row_expressions(c, 'r') e")
              .getFirst()
              .split("\\|", -1);
      assertThat(
              admin.rows(
                  "select " + texts[0] + ", " + texts[1] + " from shop.odd r where r.\"x}\" = 7"))
          .containsExactly(
              "{{body},7}".replace("{{body}", "{\"{body}\"") + "|{7,\"\\\"; drop\",\"{body}\"}");
      assertThat(
              admin.value(
                  "select pgoffload.fill_template(c.literals, array['7', '\"; drop', '{body}']) from pgoffload.maintained_column c"))
          .isEqualTo("'; drop table shop.ticket; -- { 7 \"; drop %s $1 $$ {body}");
    } finally {
      admin.run("reset search_path");
    }
    assertThat(keeper.rows("select target, status from llm_maintained"))
        .containsExactly("it's|active");
    keeper.run("select llm_maintain_pause('it''s; --\"'), llm_maintain_resume('it''s; --\"')");
    keeper.run("select llm_maintain_drop('it''s; --\"')");
    assertThat(admin.value("select count(*) from shop.ticket")).isEqualTo("0");
  }

  /// A cast may be a function of a user's, which would run with the owner's rights.
  @Test
  void callsNoCastOfAUsers() {
    var admin = database.admin();
    admin.run(
        """
        create type shop.color as enum ('red');
        create type shop.pair as (a int, b text);
        create domain shop.word as text;
        create function shop.boom(shop.color) returns text language plpgsql as $$ begin raise exception 'here runs %', current_user; end $$;
        create function shop.boom(shop.pair) returns text language plpgsql as $$ begin raise exception 'here runs %', current_user; end $$;
        create function shop.jboom(shop.color) returns json language plpgsql as $$ begin raise exception 'here runs %', current_user; end $$;
        create function shop.jboom(shop.pair) returns json language plpgsql as $$ begin raise exception 'here runs %', current_user; end $$;
        create cast (shop.color as text) with function shop.boom(shop.color) as implicit;
        create cast (shop.pair as text) with function shop.boom(shop.pair) as implicit;
        create cast (shop.color as json) with function shop.jboom(shop.color) as implicit;
        create cast (shop.pair as json) with function shop.jboom(shop.pair) as implicit;
        create table shop.typed (id shop.color primary key, pair shop.pair, colors shop.color[], word shop.word, bits bit(3), gist text);
        grant select, update, trigger on shop.typed to keeper;
        insert into shop.typed values ('red', (1, 'x'), '{red}', 'w', '101')
        """);
    keeper.run(
        "select llm_maintain('typed', source => 'shop.typed', target => 'gist', ask => '{pair} {colors} {word} {bits}')");
    admin.run("set search_path = pg_catalog");
    try {
      var texts =
          admin
              .rows(
                  "select e.* from pgoffload.maintained_column c, pgoffload.row_expressions(c, 'r') e")
              .getFirst()
              .split("\\|", -1);
      assertThat(admin.rows("select " + texts[0] + ", " + texts[1] + " from shop.typed r"))
          .containsExactly("{red}|{\"(1,x)\",\"{red}\",w,101}");
    } finally {
      admin.run("reset search_path");
    }
  }

  @Test
  void tellsInputsApartByTheirHash() {
    var admin = database.admin();
    var inputs =
        List.of(
            "array['a', 'b']",
            "array['a,b']",
            "array['ab', '']",
            "array['', 'ab']",
            "array['a\",\"b']",
            "array['{a', 'b}']",
            "array[null]::text[]",
            "array['NULL']",
            "array['null']",
            "array['']",
            "'{}'");
    assertThat(
            admin.number(
                "select count(distinct pgoffload.maintained_hash(c, i::text[])) from unnest(array['\\x00', '\\x01']::bytea[]) c,"
                    + " (values ("
                    + String.join("), (", inputs.stream().map(i -> i + "::text[]").toList())
                    + ")) v (i)"))
        .isEqualTo(2L * inputs.size());
    assertThat(
            admin.value(
                "select pgoffload.maintained_hash('\\x00', array['a']) = sha256('\\x00' || sha256(convert_to('a', 'UTF8')))"))
        .isEqualTo("t");
  }
}
