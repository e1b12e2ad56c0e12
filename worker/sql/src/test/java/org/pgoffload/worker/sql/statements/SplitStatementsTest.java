package org.pgoffload.worker.sql.statements;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.worker.sql.statements.SqlStatement.Kind;

class SplitStatementsTest {
  private static final int MANY = 1_000_000;
  private static final int FIVE_MEGABYTES = 5_000_000;

  @Test
  void saysWhereEachStatementIsAndWhatItIs() {
    assertThat(SplitStatements.of("\n begin ;;select $1, '😀;'; /* last */ commit", true))
        .containsExactly(
            new SqlStatement("begin", 2, 2, Kind.TRANSACTION_CONTROL, false),
            new SqlStatement("select $1, '😀;'", 10, 10, Kind.OTHER, true),
            new SqlStatement("/* last */ commit", 28, 27, Kind.TRANSACTION_CONTROL, false));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " \t\r\n\f\u000B",
        ";",
        " ; ;; ",
        "-- a comment",
        "-- a comment;\n;--",
        "/* ; */;/* /* ; */ ; */"
      })
  void leavesOutWhatHasNothingToRun(String command) {
    assertThat(texts(command)).isEmpty();
  }

  @Test
  void keepsCommentsWithTheStatementTheyStandIn() {
    assertThat(texts("--+ hint\nselect /* ; */ 1 -- trace; \n; /*+ hint */ select 2 --"))
        .containsExactly("--+ hint\nselect /* ; */ 1 -- trace; ", "/*+ hint */ select 2 --");
  }

  /// Each is one statement, and another follows.
  @SuppressWarnings("unused")
  private static final List<String> WHOLE =
      List.of(
          // strings
          "select ';'",
          "select ''",
          "select 'it''s;'",
          "select '\\'",
          "select ';' ';'",
          "select 'a;'\n';b'",
          "select E'\\';'",
          "select e'\\\\'",
          "select e'a''\\';'",
          "select e'\\x27\\u003b\\\\'",
          "select e'a'\n'\\';'",
          "select e'a' -- ';\n -- '\r '\\';'",
          "select e'a' '\\'",
          "select e'a' /*\n*/ '\\'",
          "select e'a'\n- '\\'",
          "select U&'\\003b;'';'",
          "select u&'d!0061' uescape '!'",
          "select U & ';'",
          "select b'1;0'",
          "select X'1f;'",
          "select n'it''s;'",
          "select type'\\'",
          "select ése'\\'",
          "select 1e'\\'",
          "select 1.5e'\\'",
          "select 1.e'\\'",
          "select $1e'\\'",
          // names
          "select \";\"",
          "select \"it\"\"s;\"",
          "select \"\\\"",
          "select U&\";\"\"\\\"",
          "select U&\"d!0061\" uescape '!'",
          "select 1 \"$$\"",
          "select 1 as \u00a0",
          // dollars
          "select $$;$$",
          "select $$;$a$;$$",
          "select $a$;$$;$b$;$a;$a$",
          "select $a$;$b$a$",
          "select $A$;$a$;$A$",
          "select $_1$;$_1$",
          "select $é😀$;$é😀$",
          "select $a$'$a$",
          "select a$1$",
          "select a$$",
          "select a$b$ as c$b$",
          "select é$$",
          "select $1$$;$$",
          "select 1$$;$$",
          "select 1.5$$;$$",
          "select x1$$",
          "select 0x1F$$",
          "select $1 + $2",
          "select $",
          "select $1a$",
          "select $a b$",
          "select $a-b$",
          // comments and operators
          "select 1 -- ;'\n",
          "select 1 -- ;\"\r",
          "select /* ' */ 1",
          "select /* /* ; */ ; */ 1",
          "select /*/* ; */;*/ 1",
          "select /*/ ; */ 1",
          "select /* ; **/ 1",
          "select /***/ 1",
          "select /* -- */ 1",
          "select 1 */* ; */ 2",
          "select 1 +-- ;\n 2",
          "select 1 @--;\n 2",
          "select 1 - - 2",
          "select 1 / 2 * 3",
          "select 1 -/**/- 2",
          // parentheses
          "create rule r as on insert to t do also (insert into u values (1); notify n)",
          "select (';'), (\")\"), ($$)$$), (/* ) */ 1)",
          "select )",
          "select (1))) + 2",
          "select array[1, 2]",
          // bodies
          "create function f() returns int begin atomic select 1; select 2; end",
          "create function f() returns int begin atomic end",
          "create function f() returns int begin atomic ;; select 1;; end",
          "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC SELECT 1; END",
          "create/**/or--\nreplace function f() begin/* ; */atomic select 1;/**/end",
          "create function f() begin atomic select case when true then 1 end; select 2; end",
          "create function f() begin atomic select case case 1 when 1 then 2 end when 2 then 3 end;"
              + " end",
          "create function f() begin atomic select (case when true then 1 end); end",
          "create function f() begin atomic select 1 end; select 2 case; select 3 as end; end",
          "create function f() begin atomic select t.end, t.case from t; end",
          "create function f() begin atomic select begin atomic from t; end",
          "create function f() begin atomic select 'end;', \"end\", $$;end$$; end",
          "create function f() begin atomic create function g() begin atomic select 1; end;"
              + " select 2; end",
          "create function f(a int default (1)) returns begin begin atomic select 1; end",
          "create function begin() begin atomic select 1; end",
          "create function begin() returns int return 1",
          "create function f() returns int language sql as $$ begin atomic select 1; end $$",
          "create function f() returns int language sql as 'begin atomic select 1; end'",
          "create function f() returns int return 1",
          "create function atomic.begin() returns int return 1",
          "create function \"begin\"() returns int return 1",
          "create or replace view begin as select 1 as atomic",
          "create view v as select begin atomic from t",
          "select begin atomic from t",
          "begin atomic");

  @ParameterizedTest
  @FieldSource("WHOLE")
  void endsAStatementWhereTheServerDoes(String statement) {
    assertThat(texts(statement + ";select 'next'"))
        .containsExactly(
            // The newline that ends a comment is white space.
            statement.stripTrailing(), "select 'next'");
  }

  @SuppressWarnings("unused")
  private static final List<String> OPEN =
      List.of(
          "select ';select 2",
          "select e'\\';select 2",
          "select e'\\",
          "select 'a'\n';select 2",
          "select U&'\\'';select 2",
          "select b'1;select 2",
          "select \";select 2",
          "select \"\"\";select 2",
          "select U&\";select 2",
          "select $$;select 2",
          "select $$;$a$",
          "select $a$;$A$;$aa$;select 2",
          "select /* ;select 2",
          "select /* /* */ ;select 2",
          "select /* /*/ */ ;select 2",
          "select (;select 2",
          "select (1;select 2; begin; copy t from stdin",
          "create function f() begin atomic;select 2",
          "create function f() begin atomic select 1; select case when true then 1; select 2",
          "create function f() begin atomic create function g() begin atomic;end;select 2");

  @ParameterizedTest
  @FieldSource("OPEN")
  void takesTheRestAsOneStatementWhenSomethingIsLeftOpen(String command) {
    assertThat(SplitStatements.of("select 1;" + command, true))
        .containsExactly(
            new SqlStatement("select 1", 0, 0, Kind.OTHER, false),
            new SqlStatement(command, 9, 9, Kind.OTHER, false));
  }

  @Test
  void escapesWithBackslashesInPlainStringsWhenTheyDoNotConformToTheStandard() {
    assertThat(texts("select '\\';', n'\\';'; select U&'\\'; select '\\';'", false))
        .containsExactly("select '\\';', n'\\';'", "select U&'\\'", "select '\\';'");
  }

  @Test
  void readsAContinuedStringByTheRulesOfItsFirstPart() {
    assertThat(texts("select x'1'\n'\\'; select x'1''\\';'; select U&'a'\n'\\'", false))
        .containsExactly("select x'1'\n'\\'", "select x'1''\\';'", "select U&'a'\n'\\'");
  }

  static Stream<Arguments> kinds() {
    return Stream.of(
            kind(
                Kind.TRANSACTION_CONTROL,
                "begin",
                "BEGIN",
                "BeGiN transaction isolation level serializable",
                "begin atomic",
                "start transaction",
                "START /* */ TRANSACTION read only",
                "commit",
                "commit and chain",
                "commit prepared 'p'",
                "end",
                "end work",
                "rollback",
                "rollback to savepoint s",
                "rollback prepared 'p'",
                "abort",
                "savepoint s",
                "release s",
                "release savepoint s",
                "prepare transaction 'p'",
                "prepare transaction E'p'",
                "prepare--\ntransaction\n$$p$$",
                "-- a comment\n/* another */ commit"),
            kind(
                Kind.COPY_FROM_STDIN,
                "copy t from stdin",
                "COPY t (a, \"b\") FROM STDIN WITH (format csv)",
                "copy binary t from stdin",
                "copy s.t from/* */StdIn",
                "copy t from stdout",
                "copy public.to from stdin",
                "copy public . from from stdin",
                "copy \"to\" from stdin",
                "copy stdin from stdin"),
            kind(
                Kind.COPY_TO_STDOUT,
                "copy t to stdout",
                "copy t to stdin",
                "copy t(a) to stdout with (header)",
                "copy (select a from stdin) to stdout",
                "copy (insert into t select (1) returning a) to STDOUT csv",
                "copy public.from to stdout"),
            kind(Kind.LISTEN, "listen c", "Listen \"c\"", "/**/listen c"),
            kind(
                Kind.OTHER,
                "select 1",
                "unlisten *",
                "discard all",
                "notify c",
                "set transaction isolation level serializable",
                "set session characteristics as transaction read only",
                "start",
                "start x",
                "prepare p as select 1",
                "prepare transaction as select 1",
                "prepare transaction (int) as select 1",
                "prepare \"transaction\" as select 1",
                "copy t from 'stdin'",
                "copy t from \"stdin\"",
                "copy t from 'f' with (format stdin)",
                "copy t from program 'stdin'",
                "copy (select 1) to 'stdout'",
                "copy t (to, stdin) from 'f'",
                "\"begin\"",
                "'begin'",
                "u&\"commit\"",
                "begins",
                "begin$",
                "begin_",
                "begin1",
                "(commit)",
                "+commit",
                "ſavepoint s",
                "rollbac\u212a",
                "commıt",
                "\ufeffbegin",
                "do $$ begin commit; end $$",
                "select commit, stdin from listen",
                "create function f() begin atomic commit; listen c; copy t from stdin; end",
                "explain analyze select 1"))
        .flatMap(kinds -> kinds);
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void judgesTheKindByTheKeywords(Kind kind, String statement) {
    assertThat(SplitStatements.of(statement + "; select 1", true))
        .containsExactly(
            new SqlStatement(statement, 0, 0, kind, false),
            new SqlStatement(
                "select 1", statement.length() + 2, statement.length() + 2, Kind.OTHER, false));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "select $1",
        "select f($1)",
        "execute p($2)",
        "select $1::int",
        "select a[$1]",
        "create table t as select $1"
      })
  void noticesAParameterWithoutAValue(String statement) {
    assertThat(SplitStatements.of(statement, true))
        .singleElement()
        .returns(true, SqlStatement::unboundParameter);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "select '$1', \"$1\", $$ $1 $$ -- $1",
        "select a$1",
        "select $a",
        "prepare p (int) as select $1",
        "create function f(int) returns int return $1",
        "create or replace function f(int) returns int begin atomic select $1; end",
        "create procedure f(int) begin atomic select $1; end"
      })
  void countsNoParameterThatTheStatementDeclaresItself(String statement) {
    assertThat(SplitStatements.of(statement, true))
        .singleElement()
        .returns(false, SqlStatement::unboundParameter);
  }

  @Test
  void countsInCharactersWhereTheServersErrorPositionPoints() {
    var command = "select '😀😀', 'é'; select oops";
    var second = SplitStatements.of(command, true).get(1);
    // The server points at "oops", the eighth character of the second statement.
    var position = second.positionInCommand(8);
    assertThat(command.substring(command.offsetByCodePoints(0, position - 1))).isEqualTo("oops");
    assertThatThrownBy(() -> second.positionInCommand(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("the first position is 1, not 0");
  }

  @Test
  void splitsManySmallStatements() {
    var statements = SplitStatements.of("a;".repeat(MANY), true);
    assertThat(statements).hasSize(MANY);
    assertThat(statements.getLast())
        .isEqualTo(new SqlStatement("a", 2 * MANY - 2, 2 * MANY - 2, Kind.OTHER, false));
  }

  static Stream<String> longOnes() {
    return Stream.of(
        "'" + "x".repeat(FIVE_MEGABYTES) + "'",
        "x".repeat(FIVE_MEGABYTES),
        "$".repeat(MANY),
        "$a".repeat(MANY),
        "$" + "a".repeat(FIVE_MEGABYTES),
        "$" + "a".repeat(MANY) + "$" + ("$" + "a".repeat(MANY)).repeat(2),
        "$$" + "$a$".repeat(MANY),
        "select $a$" + "$b".repeat(MANY),
        "select " + "/*".repeat(MANY),
        "select " + "/*".repeat(MANY) + "*/".repeat(MANY),
        "select " + "/".repeat(MANY),
        "(".repeat(MANY),
        "(".repeat(MANY) + ")".repeat(MANY),
        ")".repeat(MANY),
        "'".repeat(MANY),
        "''\n".repeat(MANY) + "''",
        "'' --\n".repeat(MANY) + "-",
        "e'" + "\\".repeat(MANY),
        "\"".repeat(MANY),
        "U&".repeat(MANY),
        "-".repeat(MANY).replace("--", "- ") + "1",
        "1.".repeat(MANY),
        "1e".repeat(MANY),
        "😀".repeat(MANY),
        "create function f() " + "begin atomic ".repeat(MANY),
        "create function f() begin atomic " + "select case 1; ".repeat(MANY),
        "create function f() begin atomic "
            + "create function g() begin atomic ".repeat(100_000)
            + "end;".repeat(100_000)
            + "end");
  }

  @ParameterizedTest(name = "{index}")
  @MethodSource("longOnes")
  void takesLongAndDeepTextsAsOneStatement(String command) {
    var statements = SplitStatements.of(command, true);
    assertThat(statements).hasSize(1);
    assertThat(statements.getFirst().text().length()).isEqualTo(command.strip().length());
  }

  @Test
  void neverShowsTheSql() {
    assertThat(new SqlStatement("select 'secret'", 3, 2, Kind.OTHER, false))
        .hasToString("SqlStatement[offset=3, kind=OTHER, 15 UTF-16 units]");
  }

  @Test
  void refusesWhatNoCommandHas() {
    assertThatThrownBy(() -> new SqlStatement("", 0, 0, Kind.OTHER, false))
        .hasMessage("the text of a statement must not be empty");
    assertThatThrownBy(() -> new SqlStatement("x", -1, 0, Kind.OTHER, false))
        .hasMessage("the offset must not be negative");
    assertThatThrownBy(() -> new SqlStatement("x", 4, 5, Kind.OTHER, false))
        .hasMessage("5 characters cannot take 4 UTF-16 units");
    assertThatThrownBy(() -> new SqlStatement("x", 4, 1, Kind.OTHER, false))
        .hasMessage("1 characters cannot take 4 UTF-16 units");
  }

  private static Stream<Arguments> kind(Kind kind, String... statements) {
    return Stream.of(statements).map(statement -> Arguments.of(kind, statement));
  }

  private static List<String> texts(String command) {
    return texts(command, true);
  }

  private static List<String> texts(String command, boolean standardConformingStrings) {
    return SplitStatements.of(command, standardConformingStrings).stream()
        .map(SqlStatement::text)
        .toList();
  }
}
