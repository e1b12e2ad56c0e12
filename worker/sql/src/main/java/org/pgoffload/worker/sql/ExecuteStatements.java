package org.pgoffload.worker.sql;

import java.sql.SQLException;
import java.sql.SQLWarning;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.SqlColumn;
import org.pgoffload.worker.sql.rows.DescribeColumns;
import org.pgoffload.worker.sql.rows.GatherRows;
import org.pgoffload.worker.sql.rows.QualifyValues;
import org.pgoffload.worker.sql.sessions.StoppedException;
import org.pgoffload.worker.sql.statements.CommandTag;
import org.pgoffload.worker.sql.statements.RefusedStatement;
import org.pgoffload.worker.sql.statements.SqlStatement;
import org.postgresql.copy.CopyOut;
import org.postgresql.core.Field;
import org.postgresql.core.NativeQuery;
import org.postgresql.core.Oid;
import org.postgresql.core.Query;
import org.postgresql.core.QueryExecutor;
import org.postgresql.core.ResultCursor;
import org.postgresql.core.ResultHandlerBase;
import org.postgresql.core.SqlCommand;
import org.postgresql.core.Tuple;
import org.postgresql.jdbc.PgConnection;

/// Executes a task's statements one after another, just as they are written.
///
/// It talks to the driver's executor rather than through a JDBC statement, which keeps the command
/// tag for itself, splits, rewrites, and chains warnings without end. Rows are read in steps, so
/// that their number does not matter to the memory; which is why the server runs no parallel plan
/// for them.
///
/// For one thread and one attempt.
final class ExecuteStatements {
  private static final int[] NO_BINDS = {};

  /// Most tasks return few rows, and are done with one round trip. Their size is not known yet.
  private static final int FIRST_STEP_ROWS = 4;

  /// A step may have so many times the rows of the one before: larger rows may follow small ones.
  private static final int STEP_GROWTH = 8;

  private static final int MOST_STEP_ROWS = 1000;

  /// About so much is in memory of one step, when its rows are like those before.
  private static final int STEP_BYTES = 1 << 20;

  private final PgConnection connection;
  private final QueryExecutor executor;
  private final GatherNotices notices;
  private final DescribeColumns describe;
  private final List<String> tags = new ArrayList<>();
  private @Nullable List<SqlColumn> columns;

  ExecuteStatements(PgConnection connection, GatherNotices notices, DescribeColumns describe) {
    this.connection = connection;
    this.executor = connection.getQueryExecutor();
    this.notices = notices;
    this.describe = describe;
  }

  /// The command tags of what has been executed.
  List<String> tags() {
    return List.copyOf(tags);
  }

  /// The columns of the last statement, or null if it returned no rows, or they were dropped.
  @Nullable List<SqlColumn> columns() {
    return columns;
  }

  /// Executes a statement in the transaction, which it begins if there is none.
  ///
  /// @param rows where its rows go, or null to drop them
  /// @throws SQLException the statement's failure, or the connection's
  /// @throws InterruptedException if the worker is closing
  /// @throws StoppedException if the task is to stop
  void execute(SqlStatement statement, @Nullable GatherRows rows)
      throws SQLException, InterruptedException, StoppedException {
    if (statement.kind() == SqlStatement.Kind.COPY_TO_STDOUT) {
      copy(statement, rows);
    } else {
      gather(begin(statement.text(), QueryExecutor.QUERY_FORWARD_CURSOR), rows);
    }
  }

  /// Rows that are still in memory.
  ///
  /// @param sql the statement that returned them
  record Returned(String sql, Step first) {}

  /// Executes a statement outside a transaction block. It has taken effect when this returns. Its
  /// rows, if any, are in memory at once: only procedures return some, and those one.
  ///
  /// @return what is to be gathered
  /// @throws SQLException the statement's failure, or the connection's
  Returned executeOutsideTransaction(SqlStatement statement) throws SQLException {
    return begin(statement.text(), QueryExecutor.QUERY_SUPPRESS_BEGIN);
  }

  private Returned begin(String sql, int flags) throws SQLException {
    // wrapped by hand, the driver neither splits nor changes it
    var query = executor.wrap(List.of(new NativeQuery(sql, NO_BINDS, false, SqlCommand.BLANK)));
    var step = new Step();
    executor.execute(
        query,
        null,
        step,
        0,
        FIRST_STEP_ROWS,
        flags | QueryExecutor.QUERY_ONESHOT | QueryExecutor.QUERY_BOTH_ROWS_AND_STATUS);
    return new Returned(sql, step);
  }

  /// Gathers the rows of a statement, reading on as long as there are more. What it asks the server
  /// meanwhile changes no setting: the statement goes on under its own.
  ///
  /// @param rows where they go, or null to drop them
  /// @throws SQLException the statement's failure, or the connection's
  /// @throws InterruptedException if the worker is closing
  /// @throws StoppedException if the task is to stop
  void gather(Returned returned, @Nullable GatherRows rows)
      throws SQLException, InterruptedException, StoppedException {
    var step = returned.first;
    var fields = step.fields;
    columns = null;
    QualifyValues qualify = null;
    if (fields != null && rows != null) {
      var described = describe.describe(connection, fields);
      columns = described.columns();
      qualify = new QualifyValues(connection, described.shapes());
    }
    int size = FIRST_STEP_ROWS;
    long count = 0;
    long largest = 1;
    while (true) {
      count += step.tuples.size();
      for (var tuple : step.tuples) {
        largest = Math.max(largest, tuple.length());
      }
      if (rows != null && qualify != null) {
        var values = step.tuples.stream().map(ExecuteStatements::values).toList();
        qualify.qualify(values);
        for (var row : values) {
          rows.add(row);
        }
      }
      var cursor = step.cursor;
      if (cursor == null) {
        break;
      }
      size = Math.clamp(STEP_BYTES / largest, 1, Math.min(MOST_STEP_ROWS, size * STEP_GROWTH));
      step = new Step();
      executor.fetch(cursor, step, size, false);
    }
    if (fields == null) {
      tags.add(step.tag);
    } else {
      tags.add(
          step.tag.isEmpty()
              ? CommandTag.of(returned.sql, count)
              : CommandTag.counting(step.tag, count));
    }
  }

  private static byte[] @Nullable [] values(Tuple tuple) {
    var values = new byte[tuple.fieldCount()] @Nullable [];
    for (int i = 0; i < values.length; i++) {
      values[i] = tuple.get(i);
    }
    return values;
  }

  /// The lines of a COPY become rows of one column.
  private void copy(SqlStatement statement, @Nullable GatherRows rows)
      throws SQLException, InterruptedException, StoppedException {
    columns = null;
    long count = 0;
    connection.clearWarnings();
    if (!(executor.startCopy(statement.text(), false) instanceof CopyOut copy)) {
      throw RefusedStatement.copy();
    }
    if (copy.getFormat() != 0) {
      // what is on its way has no end that the driver could find
      connection.close();
      throw RefusedStatement.copy();
    }
    for (var line = copy.readFromCopy(); line != null; line = copy.readFromCopy()) {
      count++;
      if (rows != null) {
        rows.add(new byte[] @Nullable [] {withoutLineEnd(line)});
      }
    }
    notices.addAll(connection.getWarnings());
    connection.clearWarnings();
    if (rows != null) {
      columns = describe.describe(connection, new Field[] {new Field("copy", Oid.TEXT)}).columns();
    }
    tags.add("COPY " + count);
  }

  private static byte[] withoutLineEnd(byte[] line) {
    return line.length > 0 && line[line.length - 1] == '\n'
        ? Arrays.copyOf(line, line.length - 1)
        : line;
  }

  /// What the server says to one step.
  final class Step extends ResultHandlerBase {
    private Field @Nullable [] fields;
    private List<Tuple> tuples = List.of();
    private @Nullable ResultCursor cursor;
    private String tag = "";

    @Override
    public void handleResultRows(
        Query query,
        Field @Nullable [] described,
        List<Tuple> received,
        @Nullable ResultCursor more) {
      fields = described;
      tuples = received;
      cursor = more;
    }

    @Override
    public void handleCommandStatus(String status, long updateCount, long insertOid) {
      tag = status;
    }

    @Override
    public void handleWarning(SQLWarning warning) {
      notices.add(warning);
    }
  }
}
