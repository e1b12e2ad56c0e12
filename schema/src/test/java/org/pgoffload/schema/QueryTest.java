package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.sql.Array;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.platform.Query;
import org.postgresql.ds.PGSimpleDataSource;

/// The query helper of `platform`, on a real server.
final class QueryTest {
  private static final String NUMBERS = "select generate_series(1, ?)";

  private static EmptyDatabase database;
  private static Connection connection;

  @BeforeAll
  static void connect() throws SQLException {
    database = EmptyDatabase.of(PostgresVersion.V18);
    connection = database.address().connect("test");
  }

  @AfterAll
  static void close() throws SQLException {
    connection.close();
    database.close();
  }

  @Test
  void bindsEachParameterByItsJavaType() throws SQLException {
    assertThat(
            Query.row(
                connection,
                """
                select concat_ws('|', pg_typeof(a), pg_typeof(b), pg_typeof(c), pg_typeof(d), pg_typeof(e), pg_typeof(f), g is null)
                from (select ? as a, ? as b, ? as c, ? as d, ? as e, ?::jsonb as f, ?::int as g) q
                """,
                QueryTest::text,
                "text",
                2L,
                3,
                true,
                new byte[] {5},
                "{}",
                null))
        .isEqualTo("character varying|bigint|integer|boolean|bytea|jsonb|t");
  }

  @Test
  void bindsArraysWhoseElementsMayBeNull() throws SQLException {
    assertThat(
            Query.row(
                connection,
                "select concat_ws(' ', ?::bigint[], ?::integer[], ?::text[], ?::jsonb[], ?::bigint[])",
                QueryTest::text,
                Query.array("bigint", Arrays.asList(1L, null)),
                Query.array("integer", List.of(2, 3)),
                Query.array("text", List.of("a,\"b", "")),
                Query.array("jsonb", List.of("{\"c\": 1}")),
                Query.array("bigint", List.of("four", "o"), text -> (long) text.length())))
        .isEqualTo("{1,NULL} {2,3} {\"a,\\\"b\",\"\"} {\"{\\\"c\\\": 1}\"} {4,1}");
  }

  @Test
  void readsAllRowsInTheirOrderIntoAListThatMayBeChanged() throws SQLException {
    var rows = Query.rows(connection, NUMBERS, QueryTest::number, 3);
    assertThat(rows).containsExactly(1, 2, 3);
    rows.clear();
    assertThat(Query.rows(connection, NUMBERS, QueryTest::number, 0)).isEmpty();
    Query.each(connection, NUMBERS, row -> rows.add(row.getInt(1)), 2);
    assertThat(rows).containsExactly(1, 2);
  }

  @Test
  void readsTheFirstRowOrSaysThatThereIsNone() throws SQLException {
    assertThat(Query.row(connection, NUMBERS, QueryTest::number, 3)).isEqualTo(1);
    assertThatThrownBy(() -> Query.row(connection, NUMBERS, QueryTest::number, 0))
        .isInstanceOf(SQLException.class);
    assertThat(Query.first(connection, NUMBERS, QueryTest::number, 3)).contains(1);
    assertThat(Query.first(connection, NUMBERS, QueryTest::number, 0)).isEmpty();
    assertThat(Query.<Array>first(connection, "select null::int[]", row -> row.getArray(1)))
        .isEmpty();
    assertThat(Query.exists(connection, NUMBERS, 3)).isTrue();
    assertThat(Query.exists(connection, NUMBERS, 0)).isFalse();
  }

  @Test
  void givesTheConnectionOfAPoolBackAlsoAfterAFault() throws SQLException {
    var pool = new Pool();
    Query.execute(pool, "create table made (n int)");
    Query.execute(pool, "insert into made values (?)", 7);
    assertThat(Query.row(pool, "select n from made", QueryTest::number)).isEqualTo(7);
    assertThat(Query.first(pool, "select n from made", QueryTest::number)).contains(7);
    assertThat(Query.rows(pool, "select n from made", QueryTest::number)).containsExactly(7);
    Query.each(pool, "select n from made", row -> assertThat(number(row)).isEqualTo(7));
    assertThatThrownBy(() -> Query.execute(pool, "select 1 / 0")).isInstanceOf(SQLException.class);
    assertThat(pool.given).hasSize(7).allMatch(given -> isClosed(given));
  }

  private static String text(ResultSet row) throws SQLException {
    return row.getString(1);
  }

  private static int number(ResultSet row) throws SQLException {
    return row.getInt(1);
  }

  private static boolean isClosed(Connection connection) {
    try {
      return connection.isClosed();
    } catch (SQLException e) {
      throw new AssertionError(e);
    }
  }

  /// Remembers what it has given.
  private static final class Pool extends PGSimpleDataSource {
    private final List<Connection> given = new ArrayList<>();

    @Override
    public Connection getConnection() throws SQLException {
      var opened = database.address().connect("test");
      given.add(opened);
      return opened;
    }
  }
}
