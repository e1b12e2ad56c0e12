package org.pgoffload.worker.sql;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.protocol.SqlColumn;
import org.pgoffload.protocol.SqlError;
import org.pgoffload.protocol.SqlNotice;
import org.pgoffload.protocol.SqlRows;
import org.pgoffload.worker.sql.rows.DescribeColumns;
import org.pgoffload.worker.sql.rows.GatherRows;
import org.pgoffload.worker.sql.sessions.RunningTask;
import org.pgoffload.worker.sql.sessions.SqlLimits;
import org.pgoffload.worker.sql.sessions.SqlTask;
import org.pgoffload.worker.sql.sessions.TaskLogin;
import org.pgoffload.worker.sql.sessions.TaskSession;
import org.pgoffload.worker.sql.sessions.TaskSessions;
import org.pgoffload.worker.sql.statements.RefusedStatement;
import org.pgoffload.worker.sql.statements.SplitStatements;

/// Statements on a real server, without the database's own functions.
final class ExecuteStatementsTest {
  private static PostgresServer postgres;
  private static TaskSessions sessions;

  private TaskSession session;
  private TestTopic topic;
  private GatherNotices notices;
  private GatherRows rows;
  private ExecuteStatements execute;

  @BeforeAll
  static void start() {
    postgres =
        PostgresServer.start(
            PostgresOptions.temporary("secret")
                .withAuthentication(List.of("host all all 127.0.0.1/32 trust"), List.of()));
    sessions =
        new TaskSessions(
            () -> new TaskDatabase(postgres.host(), postgres.port(), "postgres", Map.of()),
            // the role that has made the cluster
            oid -> new TaskLogin(oid, "postgres", false, TaskDatabase.options(true, true)),
            "test",
            SqlLimits.DEFAULT);
  }

  @AfterAll
  static void end() {
    sessions.close();
    postgres.close();
  }

  @BeforeEach
  void open() throws SQLException {
    session = sessions.open(10);
    session.connection().setAutoCommit(false);
    begin(TestTasks.task(""));
  }

  @AfterEach
  void close() {
    session.close();
  }

  private void begin(SqlTask task) {
    topic = new TestTopic();
    notices = new GatherNotices();
    rows = new GatherRows(task, 1, topic, (_, _, _) -> {}, new RunningTask(1, Optional.empty()));
    execute = new ExecuteStatements(session.connection(), notices, new DescribeColumns());
  }

  /// Executes all, keeps the rows of the last, and returns them.
  private List<List<@Nullable String>> run(String sql) throws Exception {
    var statements = SplitStatements.of(sql, true);
    for (int i = 0; i < statements.size(); i++) {
      execute.execute(statements.get(i), i == statements.size() - 1 ? rows : null);
    }
    var inline = rows.end().inline();
    return inline == null ? List.of() : inline;
  }

  private static List<@Nullable String> row(@Nullable String... values) {
    return Arrays.asList(values);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "'\\xdeadbeef'::bytea",
        "true",
        "false",
        "B'101'",
        "1.50::numeric(10,3)",
        "'NaN'::numeric",
        "'Infinity'::numeric",
        "'-Infinity'::float8",
        "0.1::float4",
        "1e300::float8",
        "0.1::float8 + 0.2",
        "'infinity'::date",
        "'-infinity'::timestamptz",
        "'2024-02-29 12:34:56.789+02'::timestamptz",
        "'0044-03-15 BC'::timestamp",
        "'24:00'::time",
        "'12:00+05:30'::timetz",
        "'-1 day -2:03:04'::interval",
        "'1 year 2 mons'::interval",
        "array[[1,null],[3,4]]",
        "array['a b','\"q\"','','NULL',null,'ü']",
        "row(1,'a,b',null,row(2))",
        "int4range(1,5)",
        "'{[1,3),[5,9)}'::int4multirange",
        "'{\"a\" :  1}'::json",
        "'{\"b\":1,\"a\":[1, 2]}'::jsonb",
        "12.34::money",
        "'\\x00'::bytea",
        "E'line\\n\\ttab \\\\ \"quoted\" \\u00e9 \\U0001F600'",
        "'a'::\"char\"",
        "'pad'::char(6)",
        "'192.168.0.1/24'::inet",
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
        "'<a>1</a>'::xml",
        "'(1,2)'::point",
        "'a:1 b:2'::tsvector",
        "null::int",
        "''",
        "1::bigint << 62",
        "interval '-0.000001 s'",
        "'1 2'::int2vector",
        "now() - now()"
      })
  void aValueIsPostgresOwnText(String expression) throws Exception {
    // format makes the text on the server
    var expected =
        run("select 'x' || case when t.v is distinct from null then format('%s', t.v) end from (select "
                + expression
                + " as v) t")
            .getFirst()
            .getFirst();
    begin(TestTasks.task(""));
    var value = run("select t.v from (select " + expression + " as v) t").getFirst().getFirst();
    assertThat(value == null ? null : "x" + value).isEqualTo(expected);
  }

  @Test
  void theTextFollowsTheSettingsOfTheSession() throws Exception {
    assertThat(
            run(
                """
                set IntervalStyle = 'iso_8601'; set bytea_output = 'escape'; set TimeZone = 'Asia/Kolkata';
                set DateStyle = 'ISO, DMY'; set extra_float_digits = 0;
                select '1 day'::interval, '\\x01'::bytea, '2024-01-01 00:00+00'::timestamptz, 0.1::float8 + 0.2
                """))
        .containsExactly(row("P1D", "\\001", "2024-01-01 05:30:00+05:30", "0.3"));
  }

  @Test
  void columnsHaveTheirNamesTypesAndModifiers() throws Exception {
    run(
        """
        create type mood as enum ('sad', 'ok');
        select 1 as a, 2 as a, '1.5'::numeric(10,2) as "N", 'ok'::mood, null as "ü", array[1]::int8[]
        """);
    var columns = requireNonNull(execute.columns());
    assertThat(columns)
        .extracting(SqlColumn::name, SqlColumn::typmod, SqlColumn::type)
        .containsExactly(
            org.assertj.core.groups.Tuple.tuple("a", -1, "integer"),
            org.assertj.core.groups.Tuple.tuple("a", -1, "integer"),
            org.assertj.core.groups.Tuple.tuple("N", 655366, "numeric(10,2)"),
            org.assertj.core.groups.Tuple.tuple("mood", -1, "public.mood"),
            org.assertj.core.groups.Tuple.tuple("ü", -1, "text"),
            org.assertj.core.groups.Tuple.tuple("array", -1, "bigint[]"));
    assertThat(columns.getFirst().typeOid()).isEqualTo(23);
  }

  /// Objects that are found by the path `own, "Odd. s"`, and others of the same names that come
  /// first under the path `other`.
  private void createObjects() throws Exception {
    run(
        """
        create schema own; create schema other; create schema "Odd. s";
        create table own.things (); create table other.things (); create table "Odd. s"."The, ""things" ();
        create table other.pg_class ();
        create type own.mood as enum ('so so'); create type other.mood as enum ('so so');
        create type other.text as enum ('so so');
        create function own.single(integer, own.mood) returns integer language sql as 'select 1';
        create function other.single(integer, own.mood) returns integer language sql as 'select 1';
        create function own.several(text) returns integer language sql as 'select 1';
        create function "Odd. s"."odd (name"(own.mood[], text) returns integer language sql as 'select 1';
        create function own.plus(own.mood, own.mood) returns own.mood language sql as 'select $1';
        create operator own.### (leftarg = own.mood, rightarg = own.mood, function = own.plus);
        create operator other.### (leftarg = own.mood, rightarg = own.mood, function = own.plus);
        create text search configuration own.words (copy = simple);
        create text search configuration other.words (copy = simple);
        create text search dictionary own.words (template = simple);
        create text search dictionary other.words (template = simple);
        create collation own.sorted from "C"; create collation other.sorted from "C";
        create domain own.thing as regclass; create domain other.thing as int;
        create type own.pair as (label text, thing regclass);
        create type own.pairs as (pair own.pair, things own.thing[], amount int);
        create domain own.known_pair as own.pair check ((value).label <> '');
        create type own.span as range (subtype = oid);
        create type own.regspan as range (subtype = regclass, subtype_opclass = oid_ops);
        """);
    session.connection().commit();
  }

  private void dropObjects() throws Exception {
    session.rollback();
    run("reset search_path; drop schema own, other, \"Odd. s\" cascade");
    session.connection().commit();
  }

  @Test
  void aNameMeansTheSameObjectUnderEveryPath() throws Exception {
    createObjects();
    try {
      var cases =
          List.of(
              "regclass: 'things' | own.things",
              "regclass: '\"The, \"\"things\"' | \"Odd. s\".\"The, \"\"things\"",
              "regclass: 'pg_class' | pg_catalog.pg_class",
              "regclass: 'other.things' | other.things",
              "regclass: 999999 | 999999",
              "regclass: 0 | -",
              "regtype: 'mood' | own.mood",
              "regtype: 'mood[]' | own.mood[]",
              "regtype: 'text' | pg_catalog.text",
              "regtype: 'text[]' | pg_catalog.text[]",
              "regtype: 'integer[]' | integer[]",
              "regtype: '\"char\"' | pg_catalog.\"char\"",
              "regtype: 'timestamp with time zone' | timestamp with time zone",
              "regproc: 'single' | own.single",
              "regproc: 'several' | own.several",
              "regproc: 'now' | pg_catalog.now",
              "regprocedure: 'single(integer, mood)' | own.single(integer,own.mood)",
              "regprocedure: '\"odd (name\"(mood[], pg_catalog.text)' | \"Odd. s\".\"odd (name\"(own.mood[],pg_catalog.text)",
              "regprocedure: 'other.single(integer, mood)' | other.single(integer,own.mood)",
              "regprocedure: 'now()' | pg_catalog.now()",
              "regoper: '###' | own.###",
              "regoperator: '###(mood, mood)' | own.###(own.mood,own.mood)",
              "regoperator: '-(none, integer)' | pg_catalog.-(NONE,integer)",
              "regoperator: '||(pg_catalog.text, pg_catalog.text)' | pg_catalog.||(pg_catalog.text,pg_catalog.text)",
              "regconfig: 'words' | own.words",
              "regconfig: 'simple' | pg_catalog.simple",
              "regdictionary: 'words' | own.words",
              "regcollation: 'sorted' | own.sorted",
              "regcollation: '\"C\"' | pg_catalog.\"C\"",
              "regrole: 'postgres' | postgres",
              "regnamespace: 'own' | own",
              "thing: 'things' | own.things");
      for (var each : cases) {
        var parts = each.split(": | \\| ", -1);
        var value = parts[1] + "::" + parts[0];
        begin(TestTasks.task(""));
        var text =
            run("set search_path = own, \"Odd. s\"; select "
                    + value
                    + ", null::regclass, "
                    + value
                    + "::oid")
                .getFirst();
        assertThat(text.getFirst()).as(each).isEqualTo(parts[2]);
        assertThat(text.get(1)).isNull();
        // what it is to a reader to whom other objects come first
        begin(TestTasks.task(""));
        var type = parts[0].equals("thing") ? "regclass" : parts[0];
        assertThat(
                run("set search_path = other, pg_catalog; select %s '%s'::pg_catalog.oid"
                        .formatted("pg_catalog." + type, text.getFirst().replace("'", "''")))
                    .getFirst())
            .as(each)
            .containsExactly(text.get(2));
      }
    } finally {
      dropObjects();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "array['things', null, 'pg_class', '\"The, \"\"things\"']::regclass[] | {own.things,NULL,pg_catalog.pg_class,\"\\\"Odd. s\\\".\\\"The, \\\"\\\"things\\\"\"}",
        "'[2:3]={things,0}'::regclass[] | [2:3]={own.things,-}",
        "array[array['mood', 'int4range'], array['text', 'int']]::regtype[] | {{own.mood,pg_catalog.int4range},{pg_catalog.text,integer}}",
        "array['things']::thing[] | {own.things}",
        "row('a, \"b\"', 'things')::pair | (\"a, \"\"b\"\"\",own.things)",
        "row('', 'things')::pair | (\"\",own.things)",
        "row(null, null)::pair | (,)",
        "array[row('x\\y', '\"The, \"\"things\"')]::pair[] | {\"(\\\"x\\\\\\\\y\\\",\\\"\\\"\\\"Odd. s\\\"\\\".\\\"\\\"The, \\\"\\\"\\\"\\\"things\\\"\\\"\\\")\"}",
        "row(row('a', 'things'), array['things'], 1)::pairs | (\"(a,own.things)\",{own.things},1)",
        "(array[row('a', 'things')::known_pair])::known_pair[] | {\"(a,own.things)\"}",
        "'[things,)'::regspan | [own.things,)",
        "'empty'::regspan | empty",
        "regspan('things', 'things', '[]')::regmultispan | {[own.things,own.things]}",
        "array[1, 2]::oid[] | {1,2}"
      })
  void namesWithinAValueMeanTheSameObjectsUnderEveryPath(String value, String text)
      throws Exception {
    createObjects();
    try {
      run("alter type own.regspan_multirange rename to regmultispan");
      session.connection().commit();
    } catch (SQLException e) {
      session.rollback();
    }
    try {
      begin(TestTasks.task(""));
      var written =
          run("set search_path = own, \"Odd. s\"; select 1, " + value + " as v").getFirst().get(1);
      assertThat(written).isEqualTo(text);
      // read again it is the same value
      begin(TestTasks.task(""));
      assertThat(
              run("set search_path = own, \"Odd. s\"; select v = '%s'::%s from (select %s as v) x"
                      .formatted(
                          text.replace("'", "''"),
                          value.substring(value.lastIndexOf("::") + 2),
                          value))
                  .getFirst())
          .containsExactly("t");
    } finally {
      dropObjects();
    }
  }

  @Test
  void anObjectThatNoNameFindsElsewhereIsANumber() throws Exception {
    assertThat(
            run("create temporary table passing (); select 'passing'::regclass = t.oid, 'passing'::regclass, t.oid"
                    + " from pg_class t where relname = 'passing'")
                .getFirst())
        .satisfies(row -> assertThat(row.get(1)).isEqualTo(row.get(2)));
  }

  @Test
  void whatAQueryReadsUnderStaysAsItIsWhileItsRowsAreFetched() throws Exception {
    createObjects();
    try {
      begin(TestTasks.task(7, "", 1 << 20));
      var settings =
          "current_setting('search_path') || current_setting('lc_monetary') || current_setting('IntervalStyle')"
              + " || current_user || to_regclass('things')::oid::text";
      var gathered =
          run(
              "set search_path = own, pg_catalog; set IntervalStyle = 'sql_standard'; select "
                  + settings
                  + ", 'things'::regclass, i from generate_series(1, 5000) i");
      assertThat(gathered).hasSizeGreaterThan(0);
      assertThat(gathered.stream().map(List::getFirst).distinct()).hasSize(1);
      assertThat(gathered.stream().map(row -> row.get(1)).distinct()).containsExactly("own.things");
      assertThat(run("show search_path")).last().isEqualTo(row("own, pg_catalog"));
    } finally {
      dropObjects();
    }
  }

  @Test
  void namesOfWhatATaskMayNotUseAreNoHindrance() throws Exception {
    run(
        """
        create role outsider; create schema locked; create table locked.secret ();
        grant select on pg_catalog.pg_class to outsider
        """);
    session.connection().commit();
    try {
      begin(TestTasks.task(""));
      assertThat(
              run(
                  "set role outsider; set search_path = pg_catalog;"
                      + " select oid::regclass from pg_class where relname = 'secret' or relname = 'pg_class' order by oid desc"))
          .containsExactly(row("locked.secret"), row("pg_catalog.pg_class"));
    } finally {
      session.rollback();
      begin(TestTasks.task(""));
      run("reset role; drop schema locked cascade; drop owned by outsider; drop role outsider");
      session.connection().commit();
    }
  }

  @Test
  void moneyIsWrittenAsEverySessionReadsIt() throws Exception {
    assertThat(run("select (-1234567.89)::numeric::money, array[1]::money[]"))
        .containsExactly(row("-$1,234,567.89", "{$1.00}"));
    // where the machine has it
    try {
      run("savepoint s; set lc_monetary = 'de_DE.UTF-8'");
    } catch (SQLException e) {
      session.rollback();
      return;
    }
    begin(TestTasks.task(""));
    assertThat(run("select (-1234567.89)::numeric::money, array[1, null]::money[]"))
        .containsExactly(row("-1234567.89", "{1.00,NULL}"));
  }

  @Test
  void aColumnsTypeIsNamedTheSameUnderEveryPath() throws Exception {
    createObjects();
    try {
      var remembering = new DescribeColumns();
      for (var path : List.of("other, pg_catalog", "own", "public")) {
        for (var quoted : List.of("on", "off")) {
          begin(TestTasks.task(""));
          execute = new ExecuteStatements(session.connection(), notices, remembering);
          run(
              "set search_path = %s; set quote_all_identifiers = %s; select null::pg_catalog.text, null::own.mood[], null::varchar(3), 1"
                  .formatted(path, quoted));
          if (quoted.equals("off")) {
            assertThat(requireNonNull(execute.columns()))
                .extracting(SqlColumn::type)
                .containsExactly("text", "own.mood[]", "character varying(3)", "integer");
          }
        }
      }
    } finally {
      dropObjects();
    }
  }

  @Test
  void rowsWithoutColumnsCount() throws Exception {
    assertThat(run("select from generate_series(1, 3)")).containsExactly(row(), row(), row());
    assertThat(execute.columns()).isEmpty();
    assertThat(execute.tags()).containsExactly("SELECT 3");
  }

  @Test
  void onlyTheLastStatementsRowsAreKept() throws Exception {
    assertThat(run("select 1; values (2), (3);")).containsExactly(row("2"), row("3"));
    assertThat(execute.tags()).containsExactly("SELECT 1", "SELECT 2");
  }

  @Test
  void aStatementAfterRowsLeavesNoColumns() throws Exception {
    assertThat(run("select 1; create table after_rows ()")).isEmpty();
    assertThat(execute.columns()).isNull();
  }

  @Test
  void statementsOfOneTaskSeeEachOther() throws Exception {
    assertThat(
            run(
                "create table seen (i int); insert into seen values (1), (2); select count(*) from seen"))
        .containsExactly(row("2"));
    assertThat(execute.tags()).containsExactly("CREATE TABLE", "INSERT 0 2", "SELECT 1");
  }

  @Test
  void earlierRowsAreReadToTheirEnd() throws Exception {
    run(
        """
        create sequence s; select nextval('s') from generate_series(1, 5000); select last_value from s
        """);
    assertThat(rows.end().inline()).containsExactly(row("5000"));
    assertThat(execute.tags()).containsExactly("CREATE SEQUENCE", "SELECT 5000", "SELECT 1");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "select 1 where false|SELECT 0",
        "create table t (i int)|CREATE TABLE",
        "insert into base values (1),(2)|INSERT 0 2",
        "insert into base select generate_series(1,40) returning i|INSERT 0 40",
        "with x as (insert into base select generate_series(1,40) returning i) select * from x|SELECT 40",
        "with x as (select 1), y(a, b) as (select 2, (3)) insert into base select generate_series(1,40) returning i|INSERT 0 40",
        "/* a */ update base set i = i|UPDATE 0",
        "update base set i = 1 where false returning *|UPDATE 0",
        "delete from base|DELETE 0",
        "truncate base|TRUNCATE TABLE",
        "explain (costs off) select 1|EXPLAIN",
        "show work_mem|SHOW",
        "show all|SHOW",
        "do $$ begin end $$|DO",
        "select 1 into made|SELECT 1",
        "create table made2 as select generate_series(1,3)|SELECT 3",
        "set work_mem = '8MB'|SET",
        "values (1)|SELECT 1",
        "table base|SELECT 0",
        "(select generate_series(1,100)) union all (select 1)|SELECT 101",
        "grant select on base to public|GRANT",
        "prepare p as select generate_series(1,30)|PREPARE",
        "lock table base|LOCK TABLE",
        "declare c cursor for select 1|DECLARE CURSOR",
        "notify x|NOTIFY",
        "discard plans|DISCARD PLANS",
        "merge into base using (values (1)) v(i) on false when not matched then insert values (v.i)|MERGE 1",
      })
  void theTagIsTheServers(String sql, String tag) throws Exception {
    run("create temporary table base (i int); " + sql);
    assertThat(execute.tags().getLast()).isEqualTo(tag);
  }

  @Test
  void aDroppedTableIsNotHeldByTheRowsReadBefore() throws Exception {
    run(
        "create table held as select generate_series(1, 100) i; select * from held; drop table held");
    assertThat(execute.tags()).containsExactly("SELECT 100", "SELECT 100", "DROP TABLE");
  }

  @Test
  void whatTheDriverWouldRewriteStaysAsItIs() throws Exception {
    run("create temporary table j (v jsonb, t text)");
    begin(TestTasks.task(""));
    assertThat(run("select '{\"a\": 1}'::jsonb ? 'a', '{d ''2024-01-01''}', '{fn now()}'"))
        .containsExactly(row("t", "{d '2024-01-01'}", "{fn now()}"));
    begin(TestTasks.task(""));
    run("create function two() returns int begin atomic select 1; select 2; end; select two()");
    assertThat(execute.tags()).containsExactly("CREATE FUNCTION", "SELECT 1");
  }

  @Test
  void manyRowsArePublishedInChunksWhileTheQueryRuns() throws Exception {
    begin(TestTasks.task(7, "", 4096));
    var running =
        Thread.ofVirtual()
            .start(() -> {
              try {
                // the last row comes when another session has published what came before
                run(
                    """
                    select i, case when i = 20000 then pg_advisory_xact_lock(4711)::text else 'row ' || i end
                    from generate_series(1, 20000) i
                    """);
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            });
    try (var blocker = connect();
        var statement = blocker.createStatement()) {
      statement.execute("select pg_advisory_lock(4711)");
    }
    running.join();
    var gathered = rows.end();
    assertThat(gathered.inline()).isNull();
    assertThat(gathered.count()).isEqualTo(20_000);
    assertThat(gathered.chunks()).isGreaterThan(50).isEqualTo(topic.chunks().size());
    assertThat(topic.chunks()).extracting(SqlRows::number).isSorted();
    assertThat(topic.chunks())
        .allSatisfy(chunk -> assertThat(chunk.write().length).isLessThan(4500));
    var all = new ArrayList<@Nullable String>();
    topic
        .chunks()
        .forEach(chunk -> requireNonNull(chunk.rows()).forEach(row -> all.add(row.getFirst())));
    assertThat(all).hasSize(20_000).startsWith("1", "2").endsWith("19999", "20000");
  }

  private static java.sql.Connection connect() throws SQLException {
    return DriverManager.getConnection(
        "jdbc:postgresql://" + postgres.host() + ":" + postgres.port() + "/postgres",
        "postgres",
        "");
  }

  @Test
  void noticesAreKeptWithTheirFieldsAndBounded() throws Exception {
    run(
        """
        do $$ begin
          raise notice 'first' using detail = 'd', hint = 'h';
          raise warning 'careful';
          raise info 'i';
          raise log 'not for clients';
          for i in 1 .. 2000 loop raise notice 'n%', i; end loop;
        end $$
        """);
    var all = requireNonNull(notices.all());
    assertThat(all).hasSize(1001);
    assertThat(all.subList(0, 4))
        .containsExactly(
            new SqlNotice("NOTICE", "00000", "first", "d", "h"),
            new SqlNotice("WARNING", "01000", "careful", null, null),
            new SqlNotice("INFO", "00000", "i", null, null),
            new SqlNotice("NOTICE", "00000", "n1", null, null));
    assertThat(all.getLast().message()).isEqualTo("1003 more messages were left out");
  }

  @Test
  void copyToStdoutBecomesRows() throws Exception {
    assertThat(
            run(
                "create temporary table c (a int, b text); insert into c values (1, E'x\\ty'), (2, null);"
                    + " copy c to stdout"))
        .containsExactly(row("1\tx\\ty"), row("2\t\\N"));
    assertThat(execute.tags()).containsExactly("CREATE TABLE", "INSERT 0 2", "COPY 2");
    begin(TestTasks.task(""));
    assertThat(run("copy (select 1, 'a,b') to stdout with (format csv, header)"))
        .containsExactly(row("?column?,?column?"), row("1,\"a,b\""));
    begin(TestTasks.task(""));
    assertThat(run("copy c to stdout; select 1")).containsExactly(row("1"));
  }

  @Test
  void binaryCopyIsRefusedAndTakesTheSessionWithIt() {
    assertThatThrownBy(() -> run("copy (select 1) to stdout with (format binary)"))
        .isInstanceOf(RefusedStatement.class);
    assertThat(session.isReusable()).isFalse();
  }

  @ParameterizedTest
  @ValueSource(strings = {"begin", "select 1; commit", "copy t from stdin", "listen x"})
  void whatNoTaskMayContainIsRefused(String sql) {
    assertThatThrownBy(() -> RefusedStatement.check(SplitStatements.of(sql, true)))
        .isInstanceOfSatisfying(
            SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("0A000"));
  }

  @Test
  void anErrorHasTheServersFieldsAndItsPlaceInTheWholeCommand() throws Exception {
    var sql =
        "create table e (a int constraint positive check (a > 0)); select '😀'; insert into e values (0)";
    assertThat(failure(sql))
        .satisfies(error -> {
          assertThat(error.sqlstate()).isEqualTo("23514");
          assertThat(error.object().constraint()).isEqualTo("positive");
          assertThat(error.object().table()).isEqualTo("e");
          assertThat(error.object().schema()).isEqualTo("public");
          assertThat(error.detail()).isEqualTo("Failing row contains (0).");
        });
    var misspelt = "select '😀'; select nothing_of_that_name";
    assertThat(failure(misspelt).position())
        .isEqualTo(misspelt.codePointCount(0, misspelt.indexOf("nothing")) + 1);
    assertThat(failure("do $$ begin perform 1/0; end $$").context()).contains("PL/pgSQL function");
    assertThat(failure("select $1"))
        .extracting(SqlError::sqlstate, SqlError::message)
        .containsExactly("42P02", "there is no parameter $1");
  }

  @ParameterizedTest
  @ValueSource(strings = {"set DateStyle = 'German'", "set client_encoding = 'latin1'"})
  void aSettingThatTheDriverCannotReadEndsTheTaskWithClearWords(String sql) throws Exception {
    var error = failure(sql);
    assertThat(error.sqlstate()).isEqualTo("0A000");
    assertThat(error.message()).contains("DateStyle and client_encoding");
    assertThat(session.isReusable()).isFalse();
  }

  private SqlError failure(String sql) throws Exception {
    begin(TestTasks.task(""));
    for (var statement : SplitStatements.of(sql, true)) {
      try {
        execute.execute(statement, rows);
      } catch (SQLException e) {
        if (!session.isBroken()) {
          session.rollback();
        }
        return DescribeError.of(e, statement);
      }
    }
    throw new AssertionError("it did not fail");
  }

  @Test
  void whatCannotRunInATransactionRunsOutsideOne() throws Exception {
    run("create table vacuumed ()");
    session.connection().commit();
    var vacuum = SplitStatements.of("vacuum vacuumed", true).getFirst();
    assertThatThrownBy(() -> execute.execute(vacuum, rows))
        .isInstanceOfSatisfying(
            SQLException.class, e -> assertThat(OutsideTransaction.isNeeded(e, vacuum)).isTrue());
    session.rollback();
    begin(TestTasks.task(""));
    execute.gather(execute.executeOutsideTransaction(vacuum), rows);
    assertThat(execute.tags()).containsExactly("VACUUM");
    run(
        """
        create procedure commits(inout a int) language plpgsql
        as $$ begin create table by_procedure (); commit; a := a + 1; end $$
        """);
    session.connection().commit();
    var call = SplitStatements.of("call commits(1)", true).getFirst();
    assertThatThrownBy(() -> execute.execute(call, rows))
        .isInstanceOfSatisfying(
            SQLException.class, e -> assertThat(OutsideTransaction.isNeeded(e, call)).isTrue());
    session.rollback();
    begin(TestTasks.task(""));
    execute.gather(execute.executeOutsideTransaction(call), rows);
    assertThat(rows.end().inline()).containsExactly(row("2"));
  }

  @Test
  void aStateThatAnybodyCanRaiseProvesNothing() throws Exception {
    for (var sql :
        List.of(
            "do $$ begin raise sqlstate '25001'; end $$",
            "do $$ begin raise sqlstate '2D000'; end $$")) {
      var statement = SplitStatements.of(sql, true).getFirst();
      assertThatThrownBy(() -> execute.execute(statement, rows))
          .isInstanceOfSatisfying(
              SQLException.class,
              e -> assertThat(OutsideTransaction.isNeeded(e, statement)).isFalse());
      session.rollback();
    }
  }

  @Test
  void cancellingInterruptsWhatRunsAndTheSessionIsNotUsedAgain() throws Exception {
    var canceller =
        Thread.ofVirtual()
            .start(() -> {
              try (var other = connect();
                  var statement = other.createStatement()) {
                var query =
                    "select 1 from pg_stat_activity where pid = "
                        + session.identity().pid()
                        + " and wait_event = 'PgSleep'";
                while (!statement.executeQuery(query).next()) {
                  Thread.onSpinWait();
                }
                session.cancel();
              } catch (SQLException e) {
                throw new IllegalStateException(e);
              }
            });
    assertThat(failure("select pg_sleep(60)").sqlstate()).isEqualTo("57014");
    canceller.join();
    assertThat(session.isReusable()).isFalse();
  }

  @Test
  void aResetForgetsWhatTheTaskLeft() throws Exception {
    run(
        """
        set work_mem = '9MB'; set role pg_monitor; select pg_advisory_lock(1); prepare p as select 1;
        create temporary table left_over (); set search_path = nowhere
        """);
    session.connection().commit();
    session.reset();
    begin(TestTasks.task(""));
    assertThat(
            run(
                """
                select current_setting('work_mem') <> '9MB', current_user, current_setting('search_path'),
                  (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
                  (select count(*) from pg_prepared_statements), to_regclass('pg_temp.left_over')
                """))
        .containsExactly(row("t", "postgres", "\"$user\", public", "0", "0", null));
  }
}
