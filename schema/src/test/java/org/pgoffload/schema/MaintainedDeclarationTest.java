package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A maintained column is checked when it is declared, and what is then known of it is its
/// declarer's.
final class MaintainedDeclarationTest extends WithMaintainedColumns {
  @Test
  void knowsWhatWasDeclaredAndByWhom() {
    keeper.run("set llm.model = 'm'; set llm.timeout = '7 s'; set work_mem = '5MB'");
    assertThat(
            keeper.value(
                "select llm_maintain('mood', source => 'shop.ticket', target => 'mood', system => 's',"
                    + " ask => 'Of {{{SUBJECT}\\n{ \"A \"\"b\"\"\" }', provider => 'echo', options => '{\"temperature\": 0}')"))
        .isEqualTo("mood");
    assertThat(
            database
                .admin()
                .rows(
                    """
                    select name, source, declarer, login, key_columns, key_numbers, input_columns, input_numbers, literals, target,
                      target_number, into_table, target_type, kind, model, provider, system, options, timeout, response_schema, chunk,
                      installation = (select id::uuid from pgoffload.installation), octet_length(configuration)
                    from pgoffload.maintained_column
                    """))
        .containsExactly(
            "mood|shop.ticket|keeper|keeper|{id}|{1}|{subject,\"A \\\"b\\\"\"}|{2,7}|{\"Of {\",\"\n\",\"\"}|mood|4|null|text|ask|m"
                + "|echo|s|{\"temperature\": 0}|00:00:07|null|null|t|32");
    assertThat(
            database.admin().value("select settings - 'work_mem' from pgoffload.maintained_column"))
        .isEqualTo(
            "{\"TimeZone\": \"UTC\", \"DateStyle\": \"ISO, MDY\", \"llm.model\": \"m\", \"lc_monetary\": \"C\","
                + " \"llm.timeout\": \"7 s\", \"search_path\": \"pg_catalog, pg_temp\", \"bytea_output\": \"hex\","
                + " \"IntervalStyle\": \"iso_8601\"}");
    assertThat(
            database
                .admin()
                .value("select settings ->> 'work_mem' from pgoffload.maintained_column"))
        .isEqualTo("5MB");
    assertThat(
            database
                .admin()
                .rows(
                    """
                    select tgname, pg_get_triggerdef(oid) from pg_trigger
                    where tgrelid = 'shop.ticket'::regclass and not tgisinternal
                    """))
        .containsExactly(
            "pgoffload maintains mood|CREATE TRIGGER \"pgoffload maintains mood\" AFTER INSERT OR UPDATE ON shop.ticket"
                + " FOR EACH ROW EXECUTE FUNCTION pgoffload.\"ask_maintained mood\"()");
    assertThat(
            keeper.rows(
                "select name, source, target, status, pending, done, failed, stale, tokens, cost, paused, last_error, behind"
                    + " from llm_maintained"))
        .containsExactly("mood|shop.ticket|mood|active|0|0|0|0|0|0|null|null|00:00:00");
  }

  @Test
  void isDeclaredAsTheRoleThatWasSet() {
    database
        .admin()
        .run("create role keeper_chief login; grant keeper, pgbackground_role to keeper_chief");
    try {
      var chief = as("keeper_chief");
      chief.run("set role keeper");
      chief.run(MOOD);
      assertThat(database.admin().rows("select declarer, login from pgoffload.maintained_column"))
          .containsExactly("keeper|keeper_chief");
    } finally {
      database.admin().run("drop role keeper_chief");
    }
  }

  @Test
  void maintainsAllPartitionsByTheirRoot() {
    keeper.run(
        "select llm_maintain('gist', source => 'shop.event', target => 'gist', ask => '{body}')");
    assertThat(
            database
                .admin()
                .rows("select key_columns, key_numbers from pgoffload.maintained_column"))
        .containsExactly("{day,kind}|{2,1}");
    assertThat(
            database
                .admin()
                .rows(
                    "select tgrelid::regclass from pg_trigger where tgname = 'pgoffload maintains gist' order by 1"))
        .containsExactly("shop.event", "shop.event_2026", "shop.event_2027", "shop.event_2027_a");
    database.admin().run("insert into shop.event values ('a', '2026-02-01'), ('a', '2027-02-01')");
    database.admin().run("analyze shop.event");
    assertThat(keeper.value("select rows from llm_maintained")).isEqualTo("2");
    keeper.run("select llm_maintain_drop('gist')");
  }

  @Test
  void beginsWithABackfillWhereItIsWanted() {
    keeper.run(MOOD.replace("ask =>", "backfill => true, ask =>"));
    assertThat(keeper.value("select status from llm_maintained")).isEqualTo("backfilling");
  }

  @Test
  void putsChunksIntoATableOfTheirOwn() {
    keeper.run(
        "select llm_maintain('chunks', source => 'shop.ticket', into_table => 'shop.ticket_chunk', embed => '{body}',"
            + " chunk => '{\"tokens\": 400.0}')");
    assertThat(
            database
                .admin()
                .rows(
                    "select target, target_number, into_table, target_type, kind, chunk from pgoffload.maintained_column"))
        .containsExactly(
            "null|null|shop.ticket_chunk|real[]|embed|{\"tokens\": 400, \"overlap\": 0}");
    assertThat(
            database
                .admin()
                .value(
                    "select pgoffload.chunk_configuration('{\"tokens\": 400, \"overlap\": 2e2}')"))
        .isEqualTo("{\"tokens\": 400, \"overlap\": 200}");
    assertThat(keeper.rows("select target, status from llm_maintained"))
        .containsExactly("shop.ticket_chunk|active");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          mood      | null
          size      | {"type": "number"}
          at        | {"type": "string", "format": "date-time", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}.*$"}
          share     | {"type": "integer", "maximum": 2147483647, "minimum": -2147483648}
          feeling   | {"enum": ["good", "bad"], "type": "string"}
          tags      | {"type": "array", "items": {"type": "string"}}
          angry     | {"type": "boolean"}
          """)
  void asksForWhatTheTargetTakes(String target, String schema) {
    keeper.run(
        "select llm_maintain('m', source => 'shop.ticket', target => ?, ask => '{body}')", target);
    assertThat(
            String.valueOf(
                database
                    .admin()
                    .value(
                        "select response_schema #> '{properties,answer}' from pgoffload.maintained_column")))
        .isEqualTo(schema);
  }

  @Test
  void takesTheSchemaOfJsonFromItsDeclarer() {
    keeper.run(
        "select llm_maintain('m', source => 'shop.ticket', target => 'facts', ask => '{body}',"
            + " response_schema => '{\"type\": \"object\"}')");
    assertThat(database.admin().value("select response_schema from pgoffload.maintained_column"))
        .isEqualTo("{\"type\": \"object\"}");
  }

  @Test
  void embedsIntoVectors() {
    database
        .admin()
        .run(
            """
            create type shop.vector as (v real[]);
            create function shop.to_vector(real[]) returns shop.vector language sql immutable as 'select row($1)::shop.vector';
            create cast (real[] as shop.vector) with function shop.to_vector(real[]) as assignment;
            alter table shop.ticket add column v shop.vector
            """);
    keeper.run(
        "select llm_maintain('v', source => 'shop.ticket', target => 'v', embed => '{body}')");
    keeper.run(
        "select llm_maintain('r', source => 'shop.ticket', target => 'embedding', embed => '{body}')");
    assertThat(
            database
                .admin()
                .rows("select name, kind, target_type from pgoffload.maintained_column order by 1"))
        .containsExactly("r|embed|real[]", "v|embed|shop.vector");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          # the template
          target => 'mood', ask => 'Mood?'                     | 22023 | names no column | The columns of shop.ticket are id, subject
          target => 'mood', ask => ' '                         | 22023 | the template must not be empty |
          target => 'mood', ask => '{body'                     | 22023 | a single {      | written twice
          target => 'mood', ask => '{nothing}'                 | 42703 | no column "nothing" | The columns of shop.ticket are id, subject
          target => 'mood', ask => '{ctid}'                    | 42703 | no column "ctid" | The columns of shop.ticket are id, subject
          target => 'mood', ask => '{A "b"}'                   | 22023 | a single {      | {"Odd Name"}
          # the target
          target => 'mood', ask => '{mood}'                    | 22023 | is named by its own template | a column of their own
          target => 'mood', ask => '{upper_mood}'              | 22023 | would change what its own template asks | other columns
          target => 'nothing', ask => '{body}'                 | 42703 | no column "nothing" | The columns of shop.ticket are id, subject
          target => 'id', ask => '{body}'                      | 22023 | is part of the primary key | a column of their own
          target => 'upper_body', ask => '{body}'              | 22023 | is generated    | a column of their own
          target => 'serial', ask => '{body}'                  | 22023 | is an identity  | a column of their own
          target => 'must', ask => '{body}'                    | 22023 | is NOT NULL     | alter table shop.ticket alter column must drop not null
          target => 'given', ask => '{body}'                   | 22023 | is NOT NULL     | a column of their own
          target => 'place', ask => '{body}'                   | 0A000 | cannot be of type point | The types are text, boolean
          target => 'plain', ask => '{body}'                   | 22023 | needs the type jsonb | response_schema =>
          target => 'facts', ask => '{body}'                   | 22023 | needs a response_schema | response_schema =>
          target => 'mood', embed => '{body}'                  | 42804 | no embedding can be of type text | real[], and vector
          target => 'embedding', embed => '{body}', into_table => 'shop.ticket_chunk' | 22023 | either a target or a table | create table shop.ticket_chunk (id bigint, n integer
          ask => '{body}'                                      | 22023 | either a target or a table | foreign key (id) references shop.ticket on delete cascade on update cascade
          # the question
          target => 'mood'                                     | 22023 | either a question (ask) or a text to embed | llm_maintain('ticket_mood'
          target => 'mood', ask => '{body}', embed => '{body}' | 22023 | either a question (ask) or a text to embed | llm_maintain('ticket_mood'
          target => 'angry', ask => '{body}', response_schema => '{}' | 22023 | has its own schema | Leave response_schema out
          target => 'angry', ask => '{body}', options => '{"stream": true}' | 22023 | stream does not go with | Leave one of the two out
          target => 'mood', ask => '{body}', options => '{"x": 1}' | 22023 | unknown option "x" | temperature
          target => 'mood', ask => '{body}', timeout => '2 d'  | 22023 | timeout must be |
          target => 'mood', ask => '{body}', model => ' '      | 22023 | model must not be empty | null
          target => 'mood', ask => '{body}', provider => 'A b' | 22023 | provider must be a name | null
          target => 'embedding', embed => '{body}', system => 's' | 22023 | system is not for requests of kind embed | inputs
          target => 'embedding', embed => '{body}', options => '{"temperature": 1}' | 22023 | unknown option "temperature" | dimensions
          # chunks
          target => 'embedding', embed => '{body}', chunk => '{"tokens": 4}' | 22023 | goes with into_table | into_table =>
          into_table => 'shop.ticket_chunk', ask => '{body}'   | 22023 | into_table takes embeddings alone | into_table =>
          into_table => 'shop.ticket_chunk', embed => '{body}', chunk => '{}' | 22023 | chunk must be | {"tokens": 400, "overlap": 40}
          into_table => 'shop.ticket_chunk', embed => '{body}', chunk => '[]' | 22023 | chunk must be | {"tokens": 400, "overlap": 40}
          into_table => 'shop.ticket_chunk', embed => '{body}', chunk => '{"tokens": 8193}' | 22023 | chunk must be | {"tokens": 400, "overlap": 40}
          into_table => 'shop.ticket_chunk', embed => '{body}', chunk => '{"tokens": 4, "overlap": 4}' | 22023 | chunk must be | {"tokens": 400, "overlap": 40}
          into_table => 'shop.ticket_chunk', embed => '{body}', chunk => '{"tokens": 41, "overlap": 21}' | 22023 | at most half as many | {"tokens": 400, "overlap": 40}
          into_table => 'shop.ticket_chunk', embed => '{body}', chunk => '{"tokens": 4, "size": 4}' | 22023 | chunk must be | {"tokens": 400, "overlap": 40}
          into_table => 'shop.ticket', embed => '{body}'       | 22023 | it is the source itself | create table shop.ticket_chunk (id bigint, n integer, chunk text not null, embedding real[], primary key (id, n)
          into_table => 'shop.event', embed => '{body}'        | 22023 | it has no column "id" | create table shop.event (id bigint
          into_table => 'pgoffload.claim', embed => '{body}'   | 42809 | of the server or of pgoffload | a table of your own
          """)
  void refusesWhatCannotBeMaintained(
      String arguments, String state, String message, @Nullable String hint) {
    var refused =
        keeper.refused("select llm_maintain('m', source => 'shop.ticket', " + arguments + ")");
    assertThat(refused.state()).as(refused.toString()).isEqualTo(state);
    assertThat(refused.message()).contains(message);
    assertThat(refused.hint()).contains(hint == null ? "" : hint);
    assertThat(database.admin().number("select count(*) from pgoffload.maintained_column"))
        .isZero();
    isUntouched = true;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          create view shop.v as select * from shop.ticket | shop.v | 42809 | is a view | Name the table itself
          create materialized view shop.m as select * from shop.ticket | shop.m | 42809 | is a materialized view | Name the table itself
          create foreign data wrapper w; create server s foreign data wrapper w; create foreign table shop.f (id int, body text, mood text) server s | shop.f | 42809 | is a foreign table | Name the table itself
          create table shop.nokey (id int, body text, mood text) | shop.nokey | 55000 | has no primary key | alter table shop.nokey add primary key
          create table shop.child (primary key (id)) inherits (shop.ticket) | shop.child | 42809 | part of an inheritance tree | partitioned table
          create table shop.child () inherits (shop.ticket) | shop.ticket | 42809 | part of an inheritance tree | partitioned table
          select 1 | shop.event_2026 | 42809 | is a partition of shop.event | the root of the partitions, shop.event:
          select 1 | shop.event_2027_a | 42809 | is a partition of shop.event | the root of the partitions, shop.event:
          select 1 | pg_class | 42809 | of the server or of pgoffload | a table of your own
          select 1 | llm_request | 42809 | of the server or of pgoffload | a table of your own
          select 1 | pgoffload.llm_result_0 | 42809 | of the server or of pgoffload | a table of your own
          create table shop.chunks (n int primary key, body text, mood text) | shop.chunks | 42501 | lacks SELECT (body, n), UPDATE (mood) on shop.chunks | grant SELECT (body, n), UPDATE (mood) on shop.chunks to keeper
          """)
  void refusesWhatIsNoTableOfItsOwn(
      String made, String source, String state, String message, String hint) {
    database.admin().run(made);
    try {
      var refused =
          keeper.refused(
              "select llm_maintain('m', source => ?::regclass, target => 'mood', ask => '{body}')",
              source);
      assertThat(refused.state()).as(refused.toString()).isEqualTo(state);
      assertThat(refused.message()).contains(message);
      assertThat(refused.hint()).contains(hint);
    } finally {
      database.admin().run("drop foreign data wrapper if exists w cascade");
    }
  }

  @Test
  void refusesATemporaryTableAndNone() {
    keeper.run("create temp table note (id int primary key, body text, gist text)");
    var refused =
        keeper.refused(
            "select llm_maintain('m', source => 'note', target => 'gist', ask => '{body}')");
    assertThat(refused.state()).isEqualTo("42809");
    assertThat(refused.message()).contains("temporary");
    assertThat(
            keeper
                .refused("select llm_maintain('m', source => null, target => 'g', ask => '{b}')")
                .state())
        .isEqualTo("22004");
    assertThat(
            keeper
                .refused("select llm_maintain('m', source => 0::oid, target => 'g', ask => '{b}')")
                .state())
        .isEqualTo("42P01");
  }

  @ParameterizedTest
  @ValueSource(strings = {"null", "''", "' '", "repeat('x', 44)"})
  void refusesANameThatNoTriggerCanHave(String name) {
    assertThat(keeper.refused(MOOD.replace("'mood', source", name + ", source")).state())
        .isEqualTo("22023");
    keeper.run(MOOD.replace("'mood', source", "repeat('x', 43), source"));
    assertThat(
            database
                .admin()
                .value(
                    "select tgname = 'pgoffload maintains ' || name from pg_trigger, pgoffload.maintained_column"
                        + " where tgname ~ '^pgoffload maint'"))
        .isEqualTo("t");
  }

  @Test
  void refusesASecondOfTheSameNameOrTarget() {
    keeper.run(MOOD);
    assertThat(keeper.refused(MOOD).state()).isEqualTo("42710");
    var refused = keeper.refused(MOOD.replace("'mood', source", "'other', source"));
    assertThat(refused.message()).contains("is written by the maintained column \"mood\"");
  }

  @Test
  void refusesACircleAndTakesAChain() {
    keeper.run(MOOD);
    keeper.run(
        "select llm_maintain('angry', source => 'shop.ticket', target => 'angry', ask => '{upper_mood}')");
    keeper.run(
        "select llm_maintain('e', source => 'shop.ticket', target => 'embedding', embed => '{angry} {mood}')");
    var refused =
        keeper.refused(
            "select llm_maintain('subject', source => 'shop.ticket', target => 'subject', ask => '{angry}')");
    assertThat(refused.state()).isEqualTo("22023");
    assertThat(refused.message()).contains("would change what its own template asks about");
    assertThat(refused.detail())
        .isEqualTo(
            "These are made of its answers: \"angry\", \"e\", \"mood\". Nothing has changed.");
    keeper.run("select llm_maintain_drop('angry')");
    keeper.run(
        "select llm_maintain('subject', source => 'shop.ticket', target => 'subject', ask => '{angry}')");
  }

  @Test
  void refusesACircleThroughATableOfChunks() {
    database
        .admin()
        .run(
            """
            alter table shop.ticket_chunk add column ticket_id bigint, add column gist text;
            grant update on shop.ticket_chunk to keeper;
            create table shop.back (ticket_id bigint, id bigint, n integer, chunk text, embedding real[], primary key (id, n));
            grant select, insert, delete, update, trigger on shop.back to keeper;
            """);
    keeper.run(
        "select llm_maintain('chunks', source => 'shop.ticket', into_table => 'shop.ticket_chunk', embed => '{body}')");
    for (var taken : List.of("chunk", "n", "id", "embedding")) {
      assertThat(
              keeper
                  .refused(
                      "select llm_maintain('gist', source => 'shop.ticket_chunk', target => ?, ask => '{gist}')",
                      taken)
                  .state())
          .isEqualTo("22023");
    }
    // a chain
    keeper.run(
        "select llm_maintain('gist', source => 'shop.ticket_chunk', target => 'gist', ask => '{chunk}')");
    var again =
        keeper.refused(
            "select llm_maintain('more', source => 'shop.ticket', into_table => 'shop.ticket_chunk', embed => '{mood}')");
    assertThat(again.message()).contains("the maintained column \"chunks\" writes to it");
  }

  @Test
  void refusesATableThatDoesNotTakeChunks() {
    var declared =
        "select llm_maintain('c', source => 'shop.ticket', into_table => 'shop.ticket_chunk', embed => '{body}')";
    for (var change :
        List.of(
            "alter table shop.ticket_chunk drop column chunk|it has no column \"chunk\"",
            "alter table shop.ticket_chunk alter column n type bigint|its column \"n\" is of type bigint and not integer",
            "alter table shop.ticket_chunk alter column embedding type text|no embedding can be of type text",
            "alter table shop.ticket_chunk add column x int not null|nothing gives its column \"x\" a value",
            "alter table shop.ticket_chunk alter column n add generated always as identity|takes no values",
            "alter table shop.ticket rename column id to n|a column that is named n",
            "revoke insert, delete on shop.ticket_chunk from keeper|lacks INSERT, DELETE on shop.ticket_chunk")) {
      var parts = change.split("\\|", -1);
      makeTables();
      database.admin().run(parts[0]);
      assertThat(keeper.refused(declared).message()).contains(parts[1]);
    }
  }

  @Test
  void refusesAColumnThatNoTriggerSees() {
    if (database.isAtLeast(18)) {
      database
          .admin()
          .run(
              "alter table shop.ticket add column lower_body text generated always as (lower(body)) virtual");
      var refused = keeper.refused(MOOD.replace("{body}", "{lower_body}"));
      assertThat(refused.state()).isEqualTo("0A000");
      assertThat(refused.message()).contains("generated when it is read");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          revoke select on shop.ticket from keeper; grant select (id, subject) on shop.ticket to keeper | lacks SELECT (body) on shop.ticket | grant SELECT (body) on shop.ticket to keeper
          revoke update on shop.ticket from keeper   | lacks UPDATE (mood) on shop.ticket | grant UPDATE (mood) on shop.ticket to keeper
          revoke trigger on shop.ticket from keeper  | lacks TRIGGER on shop.ticket   | grant trigger on shop.ticket to keeper
          revoke usage on schema shop from keeper    | lacks USAGE on schema shop     | grant usage on schema shop to keeper
          alter table shop.ticket enable row level security | row-level security of shop.ticket applies to role "keeper" | BYPASSRLS
          alter table shop.ticket owner to keeper; alter table shop.ticket enable row level security, force row level security | row-level security of shop.ticket applies | BYPASSRLS
          revoke pgbackground_role from keeper       | not a direct member of pgbackground_role | grant_pg_background_privileges('keeper')
          alter role keeper nologin                  | is not permitted to log in     | alter role keeper login
          """)
  void refusesADeclarerWithoutRights(String change, String message, String hint) {
    var admin = database.admin();
    admin.run(change);
    try {
      // the name is no longer found by who may not use the schema
      var source = admin.value("select 'shop.ticket'::regclass::oid");
      var refused = keeper.refused(MOOD.replace("'shop.ticket'", "" + source));
      assertThat(refused.state()).as(refused.toString()).isEqualTo("42501");
      assertThat(refused.message()).contains(message);
      assertThat(refused.hint()).contains(hint);
    } finally {
      admin.run("grant pgbackground_role to keeper; alter role keeper login");
    }
  }

  @Test
  void takesATableWhosePoliciesDoNotApply() {
    database.admin().run("alter table shop.ticket owner to keeper, enable row level security");
    keeper.run(MOOD);
    keeper.run("select llm_maintain_drop('mood')");
    database
        .admin()
        .run("alter table shop.ticket force row level security; alter role keeper bypassrls");
    try {
      keeper.run(MOOD);
      assertThat(keeper.value("select status from llm_maintained")).isEqualTo("active");
      assertThat(
              database
                  .admin()
                  .value("select pgoffload.may_maintain(c) from pgoffload.maintained_column c"))
          .isEqualTo("t");
    } finally {
      database.admin().run("alter role keeper nobypassrls");
    }
  }

  @Test
  void refusesWhereNoWorkerHasEverRunSql() {
    database.admin().run("update pgoffload.worker set doing = '{\"runs_sql\": 0}'");
    var refused = keeper.refused(MOOD);
    assertThat(refused.state()).isEqualTo("55000");
    assertThat(refused.hint()).contains("PGOFFLOAD_SQL_DATABASE_URL");
    database.admin().run("delete from pgoffload.worker");
    assertThat(keeper.refused(MOOD).state()).isEqualTo("55000");
    database
        .admin()
        .run(
            "insert into pgoffload.sql_session (id, attempt, pid, started, depth, autocommit) values (1, 1, 1, now(), 0, false)");
    try {
      keeper.run(MOOD);
    } finally {
      database.admin().run("delete from pgoffload.sql_session");
    }
  }

  @Test
  void leavesNothingBehindWhatIsRefusedLate() {
    database.admin().run("revoke trigger on shop.event_2027_a from keeper");
    var declared =
        "select llm_maintain('gist', source => 'shop.event', target => 'gist', ask => '{body}')";
    assertThat(keeper.refused(declared).hint())
        .isEqualTo("Have the owner run: grant trigger on shop.event_2027_a to keeper");
    assertThat(database.admin().number("select count(*) from pgoffload.maintained_state")).isZero();
  }
}
