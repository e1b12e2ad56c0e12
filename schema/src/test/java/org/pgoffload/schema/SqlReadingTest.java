package org.pgoffload.schema;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.SqlNotice;
import org.pgoffload.protocol.SqlRows;
import org.postgresql.util.PSQLException;
import org.postgresql.util.PSQLWarning;

/// What a task returned comes back as it was.
final class SqlReadingTest extends WithSqlWorker {
  private long ran(String command) {
    var id = ann.number("select pg_background_launch(?)", command);
    worker.run(database.onlySent());
    return id;
  }

  private List<String> read(long pid, String columns) {
    return ann.rows("select * from pg_background_result(" + pid + ") as (" + columns + ")");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "bytea: '\\x00ff5c'::bytea",
        "int[]: '[2:3][1:2]={{1,2},{3,null}}'::int[]",
        "text[]: array['a,b', '\"', '\\', '', null, 'NULL', E'line\\nfeed']",
        "text: E'tab\\t, \\u00e9, \\U0001F600, \\r\\n'",
        "text: 'null'",
        "text: null::text",
        "bool: true",
        "numeric: 'NaN'::numeric",
        "numeric: '-Infinity'::numeric",
        "numeric: 1.500",
        "numeric: 12345678901234567890123456789.123456789",
        "float8: '-0'::float8",
        "float8: 0.1::float8 + 0.2::float8",
        "float4: 'NaN'::float4",
        "date: 'infinity'::date",
        "date: '0044-03-15 BC'::date",
        "timestamp: '-infinity'::timestamp",
        "timestamptz: '2026-07-01 12:00:00.123456+09'::timestamptz",
        "timestamptz: '0001-01-01 00:00+00 BC'::timestamptz",
        "timetz: '12:00:00-07'::timetz",
        "interval: '-1 year +2 months -3 days +04:05:06.7'::interval",
        "interval: '-1 day -2:03:04'::interval",
        "int4range: int4range(1, 5)",
        "numrange: numrange(null, 1.5, '(]')",
        "int4multirange: '{[1,3),[5,8)}'::int4multirange",
        "tstzrange: tstzrange('2026-01-01 00:00+00', null)",
        "json: '{\"b\": 1, \"a\":  [1,null]}'::json",
        "jsonb: '{\"b\": 1, \"a\": \"\\u00e9\"}'::jsonb",
        "jsonb: '\"text\"'::jsonb",
        "jsonb: 'null'::jsonb",
        "xml: '<a>b</a>'::xml",
        "money: (-12.34)::numeric::money",
        "bit(3): b'101'",
        "bit varying: b'1010'::varbit",
        "char(5): 'ab'::char(5)",
        "bpchar: 'ab  '::bpchar",
        "\"char\": 'x'::\"char\"",
        "\"char\": ''::\"char\"",
        "varchar: 'x'::varchar(10)",
        "name: 'n'::name",
        "uuid: '00000000-0000-0000-0000-000000000001'::uuid",
        "inet: '10.0.0.1/8'::inet",
        "point: point(1.5, -2)",
        "tsvector: 'a:1 b:2'::tsvector",
        "regclass: 'pg_class'::regclass",
        "regclass: 0::regclass",
        "regclass: 999999::regclass",
        "regtype: 'int4'::regtype",
        "regproc: 0::regproc",
        "oid: 4294967295::oid",
        "xid8: '18446744073709551615'::xid8",
        "pg_lsn: '1/2'::pg_lsn",
        "odd.\"Mood's \"\" kind\": 'so so'::odd.\"Mood's \"\" kind\"",
        "odd.\"Mood's \"\" kind\"[]: array['so so', 'fine']::odd.\"Mood's \"\" kind\"[]",
        "odd.pair: row('a,\"b', null, 3)::odd.pair",
        "odd.pair: row(null, null, null)::odd.pair",
        "odd.pair[]: array[row('a', 'fine', 3)::odd.pair, null]",
        "int4: 5::odd.positive",
        "odd.positive[]: array[5, 6]::odd.positive[]",
        "odd.cast_from_text: '(1)'::odd.cast_from_text",
        "odd.span: odd.span('so so', 'fine')"
      })
  void bringsAValueBackAsItWas(String typeAndValue) {
    odd();
    var parts = typeAndValue.split(": ", 2);
    var type = parts[0];
    for (var settings :
        List.of(
            "set timezone = 'Asia/Kolkata'; set intervalstyle = 'sql_standard'; set bytea_output = 'escape'; set datestyle = 'ISO, DMY'; set search_path = odd, public",
            "set timezone = 'America/New_York'; set intervalstyle = 'postgres_verbose'; set bytea_output = 'hex'; set quote_all_identifiers = on; set extra_float_digits = 3; set search_path = odd, pg_catalog, public")) {
      ann.run(settings);
      var command = "select " + parts[1] + " as v";
      var id = ann.number("select public.pg_background_launch(?)", command);
      worker.run(database.onlySent());
      // the reader's session is another one than the launcher's was
      ann.run(
          "set timezone = 'Australia/Darwin'; set intervalstyle = 'postgres'; set search_path = public; set quote_all_identifiers = off");
      assertThat(
              ann.rows(
                  """
                  select pg_typeof(r.v) = pg_typeof(e.v), r.v::text is not distinct from e.v::text, num_nulls(r.v) = num_nulls(e.v)
                  from public.sql_rows(%1$d) as r (v %2$s), (select (%3$s)::%2$s as v) e
                  """
                      .formatted(id, type, parts[1])))
          .as(settings)
          .containsExactly("t|t|t");
      assertThat(ann.rows("select count(*) from public.sql_rows_json(?)", id)).containsExactly("1");
      assertThat(
              ann.value(
                  "select case when num_nulls(e.v) = 1 then r = '{\"v\": null}' else (r -> 'v')::text = to_jsonb(e.v)::text end from public.sql_rows_json(%d) r, (select (%s)::%s as v) e"
                      .formatted(id, parts[1], type)))
          .as(settings)
          .isEqualTo("t");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"postgres", "postgres_verbose", "sql_standard", "iso_8601"})
  void readsAnIntervalOfEachStyleAsWhatItWas(String style) {
    var intervals =
        """
        select make_interval(months => m, days => d) + s * interval '1 microsecond' as i
        from unnest(array[0, 1, -1, 14, -14]) m, unnest(array[0, 2, -2, 100000, -100000]) d,
             unnest(array[0, 1, -1, 4000001, -4000001, 93784000000, -93784000000]) s
        """;
    var id = ran("set intervalstyle = '" + style + "'; " + intervals);
    ann.run("set intervalstyle = 'postgres'");
    // months, days and seconds apart: two intervals can be equal without being the same
    var parts =
        "select extract(year from i) * 12 + extract(month from i) as months, extract(day from i) as days,"
            + " extract(hour from i) * 3600 + extract(minute from i) * 60 + extract(second from i) as seconds from ";
    assertThat(ann.rows(parts + "sql_rows(" + id + ") as (i interval)"))
        .isEqualTo(ann.rows(parts + "(" + intervals + ") intervals"));
    // and as JSON in the reader's own style
    ann.run("set intervalstyle = 'iso_8601'");
    assertThat(ann.rows("select sql_rows_json(?) ->> 'i'", id))
        .isEqualTo(ann.rows("select i::text from (" + intervals + ") intervals"));
  }

  @Test
  void readsNoChunksBeyondTheResultsOwn() {
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    var id = request.id();
    try (var task = worker.begin(request)) {
      task.complete(
          "{\"status\": \"succeeded\", \"tags\": [\"SELECT 2\"], \"row_count\": 2, \"chunks\": 2, \"columns\": [{\"name\": \"a\", \"type_oid\": 23, \"typmod\": -1, \"type\": \"int4\"}]}");
    }
    var forged = SqlRows.of(id, 1, 3, database.oid("ann"), List.of(List.of("666")));
    var first = SqlRows.of(id, 1, 1, database.oid("ann"), List.of(List.of("1")));
    var second = SqlRows.of(id, 1, 2, database.oid("ann"), List.of(List.of("2")));
    // in the place of one that is still to come
    worker.published(first, forged);
    assertThat(ann.value("select sql_status(?)", id)).isEqualTo("running");
    worker.published(second);
    assertThat(ann.value("select sql_status(?)", id)).isEqualTo("succeeded");
    // after all have come
    worker.published(SqlRows.of(id, 1, 4, database.oid("ann"), List.of(List.of("667"))));
    database
        .admin()
        .run(
            "insert into pgoffload.sql_chunk (id, attempt, number, requested_by_oid, rows) values (?, 1, 0, ?::text::oid, '[[\"668\"]]')",
            id,
            String.valueOf(database.oid("ann")));
    assertThat(ann.value("select sql_status(?)", id)).isEqualTo("succeeded");
    assertThat(ann.rows("select * from sql_rows(" + id + ") as (a int)")).containsExactly("1", "2");
    assertThat(ann.rows("select sql_rows_json(?)", id)).containsExactly("{\"a\": 1}", "{\"a\": 2}");
    assertThat(read(id, "a int")).containsExactly("1", "2");
  }

  /// What a worker stores of (1, x, {one}), (null, "a \"b\", \c", {}), of an enum as well.
  private static final List<List<String>> STORED =
      List.of(
          List.of(
              "{\"1\",NULL}",
              "{\"x\",\"a \\\"b\\\",\n\\\\c\"}",
              "{\"{one}\",\"{}\"}",
              "{\"fine\",NULL}"),
          List.of("{\"3\"}", "{\"\"}", "{NULL}", "{\"so so\"}"));

  private String result(int rows, int chunks, boolean split, int stored) {
    return """
    {"status": "succeeded", "tags": ["SELECT %1$d"], "row_count": %1$d, "chunks": %2$d, "split": %3$s, "stored": %4$d,
     "columns": [{"name": "a", "type_oid": 23, "typmod": -1, "type": "integer"},
                 {"name": "b", "type_oid": 25, "typmod": -1, "type": "text"},
                 {"name": "c", "type_oid": 1009, "typmod": -1, "type": "text[]"},
                 {"name": "d", "type_oid": %5$d, "typmod": -1, "type": "mood"}]}
    """
        .formatted(
            rows,
            chunks,
            split,
            stored,
            database.admin().number("select 'odd.\"Mood''s \"\" kind\"'::regtype::oid::bigint"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"read committed", "repeatable read"})
  void readsWhatItsWorkerHasStored(String isolation) {
    odd();
    ann.run("begin isolation level " + isolation);
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    var id = request.id();
    try (var task = worker.begin(request)) {
      worker.store(task, STORED, Arrays.asList(null, null));
      // what is beyond the result's own, as a chunk of its number on the topic, changes nothing
      worker.store(task, List.of(STORED.get(1), STORED.get(0)), Arrays.asList(null, null));
      worker.published(SqlRows.of(id, 1, 1, database.oid("ann"), List.of(List.of("666"))));
      database
          .admin()
          .run(
              "insert into pgoffload.sql_rows values (?, 1, 3, ?::text::oid, '{\"{666}\"}')",
              id,
              String.valueOf(database.oid("ann")));
      task.complete(result(3, 5, false, 2));
    }
    worker.published(id);
    var columns = "a int, b text, c text[], d odd.\"Mood's \"\" kind\"";
    var rows = List.of("1|x|{one}|fine", "null|a \"b\",\n\\c|{}|null", "3||null|so so");
    assertThat(ann.value("select sql_status(?)", id)).isEqualTo("succeeded");
    assertThat(ann.rows("select * from sql_rows(" + id + ") as (" + columns + ")")).isEqualTo(rows);
    assertThat(ann.rows("select sql_rows_json(?) ->> 'b'", id)).hasSize(3).startsWith("x");
    assertThat(read(id, columns)).isEqualTo(rows);
    ann.run("commit");
    assertThat(ann.rows("select * from sql_rows(" + id + ") as (" + columns + ")")).isEqualTo(rows);
    try (var other = database.open("bea")) {
      assertThat(other.rows("select * from pgoffload.sql_rows")).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"read committed", "repeatable read"})
  void readsAStoredRowInPieces(String isolation) {
    odd();
    ann.run("begin isolation level " + isolation);
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    var id = request.id();
    try (var task = worker.begin(request)) {
      worker.store(
          task,
          List.of(
              STORED.get(1),
              List.of("{\"1\",\"x\\"),
              List.of("\"\ny\\\\\",NULL"),
              List.of(",\"fine\"}"),
              List.of("{NULL,NULL,\"{}\",NULL}"),
              STORED.get(0)),
          Arrays.asList(null, false, false, true, true, null));
      task.complete(result(5, 4, true, 6));
    }
    worker.published(id);
    assertThat(read(id, "a int, b text, c text[], d odd.\"Mood's \"\" kind\""))
        .containsExactly(
            "3||null|so so",
            "1|x\"\ny\\|null|fine",
            "null|null|{}|null",
            "1|x|{one}|fine",
            "null|a \"b\",\n\\c|{}|null");
    ann.run("commit");
  }

  @Test
  void countsStoredRowsWithoutColumns() {
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    try (var task = worker.begin(request)) {
      worker.store(task, List.of(List.of("{NULL,NULL}")), Arrays.asList((Boolean) null));
      task.complete(
          "{\"status\": \"succeeded\", \"tags\": [\"SELECT 2\"], \"row_count\": 2, \"chunks\": 1, \"stored\": 1, \"columns\": []}");
    }
    assertThat(ann.rows("select sql_rows_json(?)", request.id())).containsExactly("{}", "{}");
  }

  /// The SQLSTATE with which a chunk is refused.
  private String stores(long id, int attempt, String token) {
    return worker
        .session()
        .refused(PlayedSqlWorker.STORE, id, attempt, token, 2, new String[] {"{\"1\"}"}, null)
        .state();
  }

  /// A worker that was thought dead, or that guesses, and what has no claim.
  @Test
  void storesRowsOfTheLastAttemptForItsOwnWorkerAlone() {
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    var id = request.id();
    var claim = worker.claim(request);
    var token = claim.path("token").asText();
    var columns = new String[] {"{\"1\"}"};
    var other = "00000000-0000-0000-0000-000000000000";
    assertThat(stores(id, 1, other)).isEqualTo("42501");
    assertThat(stores(id, 2, token)).isEqualTo("42501");
    assertThat(stores(id, 2, other)).isEqualTo("42501");
    worker.session().run(PlayedSqlWorker.STORE, id, 1, token, 1, columns, null);
    assertThat(
            database
                .admin()
                .rows(
                    "select attempt, requested_by_oid::text, columns from pgoffload.sql_rows where id = ?",
                    id))
        .containsExactly("1|" + database.oid("ann") + "|{\"{\\\"1\\\"}\"}");
    worker.releaseLease();
    try (var second = database.sqlWorker("second")) {
      var taken = second.claim(request);
      assertThat(taken.path("attempt").asInt()).isEqualTo(2);
      assertThat(stores(id, 1, token)).isEqualTo("PO002");
      second
          .session()
          .run(
              PlayedSqlWorker.STORE,
              id,
              2,
              taken.path("token").asText(),
              1,
              new String[] {"{\"2\"}"},
              null);
      try (var task = PlayedTask.begin(database, request, taken)) {
        task.complete(
            "{\"status\": \"succeeded\", \"tags\": [\"SELECT 1\"], \"row_count\": 1, \"chunks\": 1, \"stored\": 1, \"columns\": [{\"name\": \"a\", \"type_oid\": 23, \"typmod\": -1, \"type\": \"int4\"}]}");
      }
    }
    assertThat(read(id, "a int")).containsExactly("2");
  }

  /// Commits of rows are not waited for.
  @Test
  void recordsNoResultWhoseRowsACrashHasLost() {
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    var id = request.id();
    var token = worker.claim(request).path("token").asText();
    worker.session().run(PlayedSqlWorker.STORE, id, 1, token, 2, new String[] {"{\"2\"}"}, null);
    var result =
        "{\"status\": \"succeeded\", \"tags\": [\"SELECT 2\"], \"row_count\": 2, \"chunks\": 1, \"stored\": 2, \"columns\": [{\"name\": \"a\", \"type_oid\": 23, \"typmod\": -1, \"type\": \"int4\"}]}";
    assertThat(worker.session().refused("select pgoffload.end_sql(?, 1, ?)", id, result).state())
        .isEqualTo("P0002");
    worker.session().run(PlayedSqlWorker.STORE, id, 1, token, 1, new String[] {"{\"1\"}"}, null);
    assertThat(worker.end(id, 1, result)).isTrue();
    assertThat(read(id, "a int")).containsExactly("1", "2");
  }

  @Test
  void readsNoPiecesBeyondTheResultsOwn() {
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    var id = request.id();
    try (var task = worker.begin(request)) {
      task.complete(
          "{\"status\": \"succeeded\", \"tags\": [\"SELECT 1\"], \"row_count\": 1, \"split\": true, \"chunks\": 2, \"columns\": [{\"name\": \"a\", \"type_oid\": 25, \"typmod\": -1, \"type\": \"text\"}]}");
    }
    worker.published(
        SqlRows.piece(id, 1, 1, database.oid("ann"), "[[\"on", false),
        SqlRows.piece(id, 1, 2, database.oid("ann"), "e\"]]", true),
        SqlRows.piece(id, 1, 3, database.oid("ann"), "[[\"forged\"]]", true));
    assertThat(read(id, "a text")).containsExactly("one");
  }

  @Test
  void keepsNoForgedChunkAndNoForgedEndInALargeObject() {
    ann.run("begin isolation level repeatable read");
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    var id = request.id();
    // before there is an answer
    worker.published(id);
    try (var task = worker.begin(request)) {
      task.complete(
          "{\"status\": \"succeeded\", \"tags\": [\"SELECT 1\"], \"row_count\": 1, \"chunks\": 1, \"columns\": [{\"name\": \"a\", \"type_oid\": 23, \"typmod\": -1, \"type\": \"int4\"}]}");
    }
    // before its rows are here
    worker.published(id);
    worker.published(
        SqlRows.of(id, 1, 2, database.oid("ann"), List.of(List.of("666"))),
        SqlRows.of(id, 1, 1, database.oid("ann"), List.of(List.of("1"))));
    worker.published(id);
    assertThat(read(id, "a int")).containsExactly("1");
    ann.run("commit");
  }

  @Test
  void takesAModifierForTheServersOwnTypesAlone() {
    database
        .admin()
        .run(
            """
            create schema "x(";
            grant usage on schema "x(" to public;
            create type "x("."y)numeric" as (a int);
            create type "x("."numeric(1,2)numeric(3,4)" as enum ('a')
            """);
    try {
      var id = ran("select row(1)::\"x(\".\"y)numeric\" as a, 1.5::numeric(3,1) as b");
      for (var columns :
          List.of(
              "a \"x(\".\"numeric(1,2)numeric(3,4)\", b numeric",
              "a \"x(\".\"y)numeric\", b \"x(\".\"numeric(1,2)numeric(3,4)\"")) {
        assertThat(ann.refused("select * from sql_rows(" + id + ") as (" + columns + ")").state())
            .isEqualTo("42804");
      }
      assertThat(
              ann.rows(
                  "select * from sql_rows("
                      + id
                      + ") as (a \"x(\".\"y)numeric\", b numeric(10,3))"))
          .containsExactly("(1)|1.500");
    } finally {
      database.admin().run("set client_min_messages = error; drop schema \"x(\" cascade");
    }
  }

  @Test
  void saysHowToDeclareTheColumns() {
    assertThat(
            ann.refused(
                    "select * from sql_rows(%d) as (a text)"
                        .formatted(ran("select 1, '{}'::text[]")))
                .hint())
        .isEqualTo("The columns are: integer, text[]");
    assertThat(
            ann.refused("select * from sql_rows(%d) as (a text)".formatted(ran("select"))).hint())
        .isEqualTo("The rows have no columns: read them with sql_rows_json.");
  }

  @Test
  void readsAsJsonWhatHasATypeThatIsGone() {
    database
        .admin()
        .run("create type public.gone as enum ('a'); grant usage on type public.gone to public");
    var id = ran("select 'a'::public.gone as a, 1 as b");
    database.admin().run("drop type public.gone");
    var refused = ann.refused("select * from sql_rows(" + id + ") as (a text, b int)");
    assertThat(refused.state()).isEqualTo("42704");
    assertThat(refused.hint()).contains("sql_rows_json");
    assertThat(ann.rows("select sql_rows_json(?)", id)).containsExactly("{\"a\": \"a\", \"b\": 1}");
  }

  private void odd() {
    if (database.admin().number("select count(*) from pg_namespace where nspname = 'odd'") == 0) {
      database
          .admin()
          .run(
              """
              create schema odd;
              grant usage on schema odd to public;
              create type odd."Mood's "" kind" as enum ('so so', 'fine');
              create type odd.pair as (a text, "b b" odd."Mood's "" kind", c numeric(5, 2));
              create domain odd.positive as int check (value > 0);
              create type odd.cast_from_text as (a int);
              create function odd.broken(text) returns odd.cast_from_text language sql as $$select row(-1)::odd.cast_from_text$$;
              create cast (text as odd.cast_from_text) with function odd.broken(text);
              create type odd.span as range (subtype = odd."Mood's "" kind")
              """);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "'longer'::varchar(10) | varchar(20) | longer",
        "'longer'::varchar(10) | varchar | longer",
        "'longer'::varchar | varchar(20) | longer",
        "1.5::numeric | numeric(10,2) | 1.50",
        "1.55::numeric(10,2) | numeric | 1.55",
        "155::numeric | numeric(10,-1) | 160",
        "timestamptz '2026-01-01 00:00:00.123456+00' | timestamp(3) with time zone | 2026-01-01 00:00:00.123+00",
        "timestamp '2026-01-01 00:00:00.123456' | timestamp(3) | 2026-01-01 00:00:00.123",
        "time '00:00:00.123456' | time(1) | 00:00:00.1",
        "interval '1 day 1.23456 s' | interval(2) | 1 day 00:00:01.23",
        "interval '1 day 1.23456 s' | interval day to minute | 1 day",
        "interval '1 day' day | interval | 1 day",
        "b'101' | bit(3) | 101",
        "b'101'::bit(3) | bit(3) | 101",
        "b'101'::varbit(5) | bit varying(4) | 101",
        "'ab'::char(4) | char(6) | ab    ",
        "'ab'::bpchar | char(3) | ab ",
        "array['a', 'b']::varchar[] | varchar(3)[] | {a,b}",
        "array['a', 'b']::varchar(7)[] | varchar(3)[] | {a,b}",
        "array[1.234, 2] | numeric(3,1)[] | {1.2,2.0}",
        "array[timestamptz '2026-01-01 00:00:00.123456+00'] | timestamp(3) with time zone[] | {\"2026-01-01 00:00:00.123+00\"}",
        "array[interval '1.2345 s'] | interval(1)[] | {00:00:01.2}"
      })
  void takesTypesThatDifferInTheirModifierAlone(String value, String declared, String expected) {
    ann.run("set timezone = 'UTC'");
    var id = ran("select 1 as n, " + value + " as v, 'x'::varchar(3) as w");
    assertThat(
            ann.rows(
                "select n, v::text, w from sql_rows(%d) as (n int, v %s, w varchar(9))"
                    .formatted(
                        id, declared.replace("timestamp(3) with time zone[]", "timestamptz(3)[]"))))
        .containsExactly("1|" + (declared.startsWith("char") ? expected.strip() : expected) + "|x");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "select 1 as a | a text | remote query result rowtype does not match the specified FROM clause rowtype",
        "select 1 as a | a bigint | remote query result rowtype does not match the specified FROM clause rowtype",
        "select 1 as a | a int, b int | remote query result rowtype does not match the specified FROM clause rowtype",
        "select 1 as a, 2 as b | a int | remote query result rowtype does not match the specified FROM clause rowtype",
        "select | a int | remote query result rowtype does not match the specified FROM clause rowtype",
        "select 'x'::varchar(3) as a | a text | remote query result rowtype does not match the specified FROM clause rowtype",
        "select pg_notify('c', '') as a | a text | remote query result rowtype does not match the specified FROM clause rowtype",
        "create temp table t () | a int | remote query did not return a result set, but result rowtype is not a single text column",
        "create temp table t () | a text, b text | remote query did not return a result set, but result rowtype is not a single text column",
        "create temp table t () | a varchar | remote query did not return a result set, but result rowtype is not a single text column"
      })
  void refusesOtherColumns(String command, String columns, String message) {
    var id = ran(command);
    for (int i = 0; i < 2; i++) {
      var error =
          ann.refused("select * from pg_background_result(" + id + ") as (" + columns + ")");
      assertThat(error.state()).isEqualTo("42804");
      assertThat(error.message()).isEqualTo(message);
    }
  }

  @Test
  void givesTagsAsRowsOfTextAndNoneForAnEmptyCommand() {
    ann.run("select pg_background_launch('a; b')");
    var request = database.onlySent();
    try (var task = worker.begin(request)) {
      task.complete("{\"status\": \"succeeded\", \"tags\": [\"CREATE TABLE\", \"INSERT 0 3\"]}");
    }
    assertThat(ann.rows("select * from sql_rows(?) as (tag text)", request.id()))
        .containsExactly("CREATE TABLE", "INSERT 0 3");
    assertThat(ann.rows("select sql_rows_json(?)", request.id())).isEmpty();
    assertThat(
            ann.rows(
                "select status, tag, row_count, error, attempts from sql_result(?)", request.id()))
        .containsExactly("succeeded|INSERT 0 3|3|null|1");
    ann.run("select pg_background_launch('')");
    var empty = database.onlySent();
    try (var task = worker.begin(empty)) {
      task.complete("{\"status\": \"succeeded\", \"tags\": []}");
    }
    assertThat(read(empty.id(), "tag text")).isEmpty();
  }

  @Test
  void namesColumnsOfJsonApart() {
    var id = ran("select 1 as a, 2 as a, 3 as a_2, 4 as \"?column?\", 5 as \"A\", null as a");
    assertThat(ann.rows("select sql_rows_json(?)", id))
        .containsExactly(
            "{\"A\": 5, \"a\": 1, \"a_2\": 3, \"a_3\": 2, \"a_4\": null, \"?column?\": 4}");
    assertThat(ann.rows("select sql_rows_json(?)", ran("select from generate_series(1, 2)")))
        .containsExactly("{}", "{}");
    assertThat(ann.rows("select sql_rows_json(?)", ran("select pg_notify('c', '') as a")))
        .containsExactly("{\"a\": \"\"}");
    assertThat(ann.rows("select sql_rows_json(?) ->> 'a'", ran("select row(1, 'x') as a")))
        .containsExactly("(1,x)");
  }

  @Test
  void leavesTheReadersSettings() {
    var before =
        "select current_setting('intervalstyle'), current_setting('lc_monetary'), current_setting('search_path'), current_setting('datestyle'), current_setting('lock_timeout'), current_setting('role')";
    ann.run("set intervalstyle = 'sql_standard'; set search_path = pg_catalog, public");
    var id = ran("select interval '-1 day -2:03:04' as i");
    ann.run("set intervalstyle = 'iso_8601'; set search_path = public; set lock_timeout = '7s'");
    ann.run("begin");
    var settings = ann.rows(before);
    ann.run("select * from sql_rows(" + id + ") as (i interval)");
    ann.run("select sql_rows_json(" + id + ")");
    ann.run("select pg_background_wait_v2(%1$d, %1$d)".formatted(id));
    read(id, "i interval");
    assertThat(ann.rows(before)).isEqualTo(settings);
    ann.run("commit");
    assertThat(ann.rows(before)).isEqualTo(settings);
  }

  @Test
  void raisesATasksErrorAsItsOwn() throws SQLException {
    var id =
        ran(
            "do $f$begin raise exception 'mes''sage' using detail = 'de*/tail', hint = 'hi/*nt', errcode = 'XY123', schema = 's', table = 't', column = 'c', datatype = 'd', constraint = 'k'; end$f$");
    try (var statement = ann.connection().createStatement()) {
      statement.execute("select * from pg_background_result(" + id + ") as (a text)");
      throw new AssertionError("no error was raised");
    } catch (PSQLException e) {
      var error = requireNonNull(e.getServerErrorMessage());
      assertThat(
              List.of(
                  String.valueOf(error.getSQLState()),
                  String.valueOf(error.getMessage()),
                  String.valueOf(error.getDetail()),
                  String.valueOf(error.getHint()),
                  String.valueOf(error.getSchema()),
                  String.valueOf(error.getTable()),
                  String.valueOf(error.getColumn()),
                  String.valueOf(error.getDatatype()),
                  String.valueOf(error.getConstraint()),
                  String.valueOf(error.getSeverity())))
          .containsExactly(
              "XY123", "mes'sage", "de*/tail", "hi/*nt", "s", "t", "c", "d", "k", "ERROR");
      assertThat(error.getWhere()).contains("background worker, pid " + id);
    }
  }

  @Test
  void letsABlockCatchATasksErrorByItsName() {
    var id = ran("select 1/0");
    ann.run(
        """
        do $$
        begin
          perform * from pg_background_result(%d) as (a int);
          raise 'nothing was raised';
        exception when division_by_zero then
          null;
        end
        $$
        """
            .formatted(id));
    assertThat(
            ann.value("select context from pg_background_error_info_v2(%1$d, %1$d)".formatted(id)))
        .isNull();
    // what was undone with the block can be read again
    assertThat(ann.refused("select * from pg_background_result(" + id + ") as (a int)"))
        .isEqualTo(new SqlError("22012", "division by zero", "", ""));
    assertThat(
            ann.rows("select * from pg_background_error_info_v2(%1$d, %1$d)".formatted(id))
                .getFirst())
        .startsWith("22012|division by zero|null|null");
    assertThat(ann.rows("select status, tag, error, sqlstate from sql_result(?)", id))
        .containsExactly("failed|null|division by zero|22012");
  }

  @Test
  void readsOnceAndAgainAfterARollback() {
    var id = ran("select 1 as a");
    ann.run("begin; savepoint s");
    assertThat(read(id, "a int")).containsExactly("1");
    ann.run("rollback to s");
    assertThat(read(id, "a int")).containsExactly("1");
    assertThat(ann.refused("select * from pg_background_result(" + id + ") as (a int)").state())
        .isEqualTo("42704");
    ann.run("rollback");
    assertThat(read(id, "a int")).containsExactly("1");
    var error = ann.refused("select * from pg_background_result(" + id + ") as (a int)");
    assertThat(error.state()).isEqualTo("42704");
    assertThat(error.message()).isEqualTo("PID " + id + " is not attached to this session");
    assertThat(ann.refused("select pg_background_detach(" + id + ")").state()).isEqualTo("42704");
    // the request's own functions know no sessions
    assertThat(ann.rows("select * from sql_rows(" + id + ") as (a int)")).containsExactly("1");
  }

  @Test
  void knowsNothingOfWhatWasNeverLaunchedOrWasDetached() {
    for (var pid : List.of("0", "-1", "2147483647", "999999")) {
      assertThat(
              ann.refused("select * from pg_background_result(" + pid + ") as (a int)").message())
          .isEqualTo("PID " + pid + " is not attached to this session");
    }
    var id = ran("select 1 as a");
    try (var other = database.open("ann")) {
      assertThat(other.refused("select * from pg_background_result(" + id + ") as (a int)").state())
          .isEqualTo("42704");
    }
    ann.run("begin; select pg_background_detach(" + id + "); rollback");
    ann.run("select pg_background_detach(" + id + ")");
    assertThat(ann.refused("select * from pg_background_result(" + id + ") as (a int)").state())
        .isEqualTo("42704");
    assertThat(ann.refused("select pg_background_detach(" + id + ")").state()).isEqualTo("42704");
  }

  @Test
  void raisesNoticesWithTheirLevelsWhenTheRowsAreRead() throws SQLException {
    ann.run("set client_min_messages = debug1");
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    try (var task = worker.begin(request)) {
      task.complete(
          task.result(
              "succeeded",
              List.of("DO"),
              null,
              null,
              null,
              List.of(
                  new SqlNotice("NOTICE", "00000", "n", null, null),
                  new SqlNotice("WARNING", "01000", "w", "d", null),
                  new SqlNotice("INFO", "00000", "i", null, "h"),
                  new SqlNotice("DEBUG", "00000", "g", "d", "h"))));
    }
    try (var statement = ann.connection().createStatement()) {
      statement.execute("set client_min_messages = notice");
      statement.execute("select * from pg_background_result(" + request.id() + ") as (a text)");
      var told = new ArrayList<String>();
      for (var w = statement.getWarnings(); w != null; w = w.getNextWarning()) {
        var message = ((PSQLWarning) w).getServerErrorMessage();
        told.add(
            "%s %s %s %s %s"
                .formatted(
                    message.getSeverity(),
                    message.getSQLState(),
                    message.getMessage(),
                    message.getDetail(),
                    message.getHint()));
      }
      assertThat(told)
          .containsExactly(
              "NOTICE 00000 n null null", "WARNING 01000 w d null", "INFO 00000 i null h");
    }
  }

  @Test
  void waitsForChunksThatComeAfterTheResult() {
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    var id = request.id();
    try (var task = worker.begin(request)) {
      task.complete(
          "{\"status\": \"succeeded\", \"tags\": [\"SELECT 3\"], \"row_count\": 3, \"chunks\": 2, \"columns\": [{\"name\": \"a\", \"type_oid\": 23, \"typmod\": -1, \"type\": \"int4\"}]}");
    }
    assertThat(ann.value("select sql_status(?)", id)).isEqualTo("running");
    assertThat(ann.refused("select sql_rows_json(?)", id).state()).isEqualTo("55000");
    var rows = database.beginWaiting(ann, "PgSleep", () -> read(id, "a int"));
    // of another attempt
    worker.published(SqlRows.of(id, 7, 1, database.oid("ann"), List.of(List.of("9"))));
    worker.published(SqlRows.of(id, 1, 2, database.oid("ann"), List.of(List.of("3"))));
    assertThat(rows).isNotDone();
    worker.published(
        SqlRows.of(id, 1, 1, database.oid("ann"), List.of(List.of("1"), List.of("2"))));
    assertThat(rows.join()).containsExactly("1", "2", "3");
    assertThat(ann.rows("select sql_rows_json(?)", id)).hasSize(3);
  }

  @Test
  void waitsForARunningTasksLockAndWakesAtItsEnd() {
    ann.run("set lock_timeout = '10ms'");
    ann.run("select pg_background_launch('select 1 as a')");
    var request = database.onlySent();
    try (var task = worker.begin(request)) {
      var rows = database.beginWaiting(ann, "advisory", () -> read(request.id(), "a int"));
      task.complete(task.execute("select 1 as a"));
      task.session().run("select pg_advisory_unlock_all()");
      assertThat(rows.join()).containsExactly("1");
    }
    assertThat(ann.value("show lock_timeout")).isEqualTo("10ms");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "-1",
        "7",
        "7/",
        "999999/%s",
        "7/9999999999999",
        "7/99999999999999999999",
        "long"
      })
  void waitsWhateverItsSessionSaysOfTheLastWait(String queued) {
    ann.remember("pgoffload.queued_ms", queued);
    assertThat(read(ran("select 1 as a"), "a int")).containsExactly("1");
    ann.run("select pg_background_launch('select 1 as a')");
    var request = database.onlySent();
    var rows = database.beginWaiting(ann, "PgSleep", () -> read(request.id(), "a int"));
    worker.run(request);
    assertThat(rows.join()).containsExactly("1");
    assertThat(ann.value("show pgoffload.queued_ms")).matches("[0-9]{1,6}/[0-9]{13}");
    ann.run("reset pgoffload.queued_ms");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "/",
        "%s",
        "%s/",
        "%s/0",
        "%s/9999999999999",
        "%s/99999999999999999999",
        "%s/soon"
      })
  void waitsWhateverItsSessionSaysOfItsLastLaunch(String launched) {
    ann.remember("pgoffload.queued_ms", "100/%s");
    ann.run("select pg_background_launch('select 1 as a')");
    var request = database.onlySent();
    ann.run("set pgoffload.launched = '" + launched.formatted(request.id()) + "'");
    var rows = database.beginWaiting(ann, "PgSleep", () -> read(request.id(), "a int"));
    worker.run(request);
    assertThat(rows.join()).containsExactly("1");
    ann.run("reset pgoffload.queued_ms; reset pgoffload.launched");
  }

  /// A session that has just seen a long queue does not look at once, but sees what is there.
  @Test
  void readsAnEarlierResultUnderAnOldSnapshotWhateverTheLastQueueTook() {
    var pid = ann.number("select pg_background_launch('select 1 as a')");
    worker.run(database.onlySent());
    ann.remember("pgoffload.queued_ms", "100/%s");
    ann.run(
        "select set_config('pgoffload.launched', regexp_replace(current_setting("
            + "'pgoffload.launched'), '[0-9]+$', (extract(epoch from clock_timestamp()) * 1000)::bigint::text), false)");
    ann.run("begin isolation level repeatable read");
    assertThat(read(pid, "a int")).containsExactly("1");
    ann.run("commit");
    ann.run("reset pgoffload.queued_ms");
  }

  @Test
  void refusesToWaitForAnyUnderAnOldSnapshot() {
    ann.run("select pg_background_launch('select 1')");
    ann.run("select pg_background_launch('select 2')");
    ann.run("begin isolation level repeatable read");
    assertThat(
            ann.refused(
                    "select pg_background_wait_any(array(select row(m[1], m[2])::pg_background_handle"
                        + " from regexp_matches(current_setting('pgoffload.attached'), ',([0-9]+)=([0-9]+)/', 'g') m))")
                .state())
        .isEqualTo("0A000");
    ann.run("rollback");
    database.sent().forEach(worker::run);
  }

  @Test
  void hearsOfARangeOfIdsThatBeginsDuringItsTransaction() {
    inRangesOfTheirOwn(() -> {
      ann.run("begin");
      for (int range = 0; range < 2; range++) {
        var pid = ann.number("select pg_background_launch('select 1 as a')");
        var request = database.onlySent();
        var rows = database.beginWaiting(ann, "PgSleep", () -> read(pid, "a int"));
        worker.run(request);
        assertThat(rows.join()).containsExactly("1");
        beginRange();
      }
      ann.run("commit");
    });
  }

  @Test
  void locksOfOldRangesTheOneThatItReads() {
    inRangesOfTheirOwn(() -> {
      var oldest = database.admin().number("select pgoffload.current_id_range()");
      beginRange();
      ann.run("select pg_background_launch('select 1 as a')");
      var request = database.onlySent();
      worker.run(request);
      var id = request.id();
      for (int range = 0; range < 2; range++) {
        beginRange();
      }
      ann.run("begin");
      assertThat(ann.rows("select * from sql_rows(" + id + ") as (a int)")).containsExactly("1");
      assertThat(ann.rows("select * from llm_wait(array[" + id + "])"))
          .containsExactly(id + "|succeeded");
      assertThat(
              ann.rows(
                  "select relation::regclass from pg_locks where pid = pg_backend_pid() and locktype = 'relation'"))
          .contains("pgoffload.sql_result_" + (oldest + 1))
          .doesNotContain("pgoffload.sql_result_" + oldest, "pgoffload.claim_" + oldest);
      ann.run("commit");
    });
  }

  private void beginRange() {
    database.admin().run("select pgoffload.make_partitions(pgoffload.current_id_range() + 1)");
    database.admin().run("select pgoffload.begin_id_range()");
  }

  private void inRangesOfTheirOwn(Runnable test) {
    var last = database.admin().number("select last_value from pgoffload.request_id");
    // another test may have had the first ids of the ranges that are there
    database
        .admin()
        .run(
            "select setval('pgoffload.request_id', (max(number) << 36) + (1::bigint << 34)) from pgoffload.id_range");
    try {
      beginRange();
      test.run();
    } finally {
      database.admin().run("select setval('pgoffload.request_id', ?)", last + 1);
      database.admin().run("select pgoffload.note_current_range(pgoffload.current_id_range())");
    }
  }

  @Test
  void letsItsWaitBeInterrupted() {
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    var read = "select * from pg_background_result(" + request.id() + ") as (a int)";
    try (var task = worker.begin(request)) {
      ann.run("set statement_timeout = '100ms'");
      assertThat(ann.refused(read).message())
          .isEqualTo("canceling statement due to statement timeout");
      ann.run("set statement_timeout = '20s'");
      var pid = ann.number("select pg_backend_pid()");
      var error = database.beginWaiting(ann, "advisory", () -> ann.refused(read));
      database.admin().run("select pg_cancel_backend(?::int)", pid);
      assertThat(error.join().message()).isEqualTo("canceling statement due to user request");
      task.complete(task.execute("select 1 as a"));
    }
    assertThat(read(request.id(), "a int")).containsExactly("1");
  }

  @Test
  void endsATaskThatWaitsForItsCaller() {
    database
        .admin()
        .run(
            "create table public.contended (i int); insert into public.contended values (1); grant all on public.contended to ann");
    ann.run("begin; update public.contended set i = 2");
    ann.run("select pg_background_launch('update public.contended set i = 3')");
    var request = database.onlySent();
    var error =
        CompletableFuture.supplyAsync(() ->
            ann.refused("select * from pg_background_result(" + request.id() + ") as (a text)"));
    worker.run(request);
    assertThat(error.join().state()).isEqualTo("40P01");
    ann.run("rollback");
    database.admin().run("drop table public.contended");
    assertThat(ann.value("select sql_status(?)", request.id())).isEqualTo("failed");
  }

  @Test
  void readsMillionsOfBytesInPieces() {
    ann.run("select pg_background_launch('x')");
    var request = database.onlySent();
    var id = request.id();
    var text = "é\"\\".repeat(100_000);
    var json = "[[\"1\"," + "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"]]";
    try (var task = worker.begin(request)) {
      var pieces = new ArrayList<SqlRows>();
      for (int at = 0; at < json.length(); at += 50_000) {
        var end = Math.min(json.length(), at + 50_000);
        pieces.add(
            SqlRows.piece(
                id,
                1,
                pieces.size() + 1,
                database.oid("ann"),
                json.substring(at, end),
                end == json.length()));
      }
      task.complete(
          "{\"status\": \"succeeded\", \"tags\": [\"SELECT 1\"], \"row_count\": 1, \"split\": true, \"chunks\": %d, \"columns\": [{\"name\": \"a\", \"type_oid\": 23, \"typmod\": -1, \"type\": \"int4\"}, {\"name\": \"b\", \"type_oid\": 25, \"typmod\": -1, \"type\": \"text\"}]}"
              .formatted(pieces.size()));
      worker.published(pieces.toArray(SqlRows[]::new));
    }
    assertThat(read(id, "a int, b text")).containsExactly("1|" + text);
  }

  @Test
  void notifiesWhoListens() throws SQLException {
    ann.run("listen sql_done");
    var id = ran("select 1");
    var received = new ArrayList<String>();
    Awaitility.await()
        .until(() -> {
          var got =
              ann.connection().unwrap(org.postgresql.PGConnection.class).getNotifications(100);
          for (var n : got == null ? new org.postgresql.PGNotification[0] : got) {
            received.add(n.getParameter());
          }
          return received.contains(String.valueOf(id));
        });
    assertThat(received).containsExactly(String.valueOf(id));
  }
}
