package org.pgoffload.schema;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.databind.JsonNode;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultHead;
import org.pgoffload.protocol.SqlColumn;
import org.pgoffload.protocol.SqlError;
import org.pgoffload.protocol.SqlNotice;
import org.pgoffload.protocol.SqlResult;
import org.postgresql.core.Field;
import org.postgresql.jdbc.PgResultSet;
import org.postgresql.util.PSQLException;

/// The session of a task, logged in as the role that launched it.
///
/// @param session in the task's open transaction
/// @param request what runs
/// @param attempt of its claim
/// @param token of its claim
public record PlayedTask(
    TestDatabase database, Session session, SentRequest request, int attempt, String token)
    implements AutoCloseable {
  static final String ENTER =
      "select pgoffload.enter_task(?, ?, ?::pg_catalog.uuid, ?::pg_catalog.jsonb, ?, null, ?)";

  public static PlayedTask begin(TestDatabase database, SentRequest request, JsonNode claim) {
    var task = login(database, request, claim);
    task.enter();
    task.session.run("begin");
    return task;
  }

  public static PlayedTask login(TestDatabase database, SentRequest request, JsonNode claim) {
    return new PlayedTask(
        database,
        Session.open(
            database
                .as(database.nameOf(request.envelope().payload().path("login_oid").asLong()))
                .withParameters(Map.of("options", database.taskOptions()))),
        request,
        claim.path("attempt").asInt(),
        claim.path("token").asText());
  }

  public void enter() {
    session.run(ENTER, entering());
  }

  /// The SQLSTATE with which the session was not taken.
  public String refusedToEnter() {
    return session.refused(ENTER, entering()).state();
  }

  private Object[] entering() {
    var payload = request.envelope().payload();
    return new Object[] {
      request.id(),
      attempt,
      token,
      payload.path("settings").toString(),
      "pg_background:" + request.id(),
      payload.path("depth").asInt()
    };
  }

  public long pid() {
    return session.number("select pg_catalog.pg_backend_pid()");
  }

  /// Runs a command, without ending its transaction unless it fails. Has the tags only of
  /// statements with rows.
  public SqlResult execute(String command) {
    var tags = new ArrayList<String>();
    List<SqlColumn> columns = null;
    List<List<@Nullable String>> rows = null;
    try (var statement = session.connection().createStatement()) {
      statement.setEscapeProcessing(false);
      var hasRows = statement.execute(command);
      while (hasRows || statement.getUpdateCount() != -1) {
        columns = null;
        rows = null;
        if (hasRows) {
          try (var result = statement.getResultSet()) {
            columns = columns(result);
            rows = Session.rows(result);
          }
        }
        tags.add(
            hasRows
                ? "SELECT " + requireNonNull(rows).size()
                : "UPDATE " + statement.getUpdateCount());
        hasRows = statement.getMoreResults();
      }
      return result(Result.SUCCEEDED, tags, columns, rows, null, notices(statement));
    } catch (SQLException e) {
      session.run("rollback");
      return result(Result.FAILED, tags, null, null, error(e), null);
    }
  }

  // across modules NullAway does not see that the elements of rows may be null
  @SuppressWarnings("NullAway")
  public SqlResult result(
      String status,
      List<String> tags,
      @Nullable List<SqlColumn> columns,
      @Nullable List<List<@Nullable String>> rows,
      @Nullable SqlError error,
      @Nullable List<SqlNotice> notices) {
    var by = request.envelope().requestedBy();
    return new SqlResult(
        new ResultHead(
            SqlResult.VERSION, request.id(), SqlResult.KIND, status, by.user(), by.userOid(), null),
        attempt,
        tags,
        new SqlResult.Returned(
            rows == null ? null : (long) rows.size(), columns, rows, 0, false, 0, null),
        error,
        notices,
        new SqlResult.Run(null, null, "w", Instant.EPOCH.toString()));
  }

  /// Records the success and commits, as a worker does it.
  public void complete(SqlResult result) {
    complete(new String(result.write(), UTF_8));
  }

  public void complete(String result) {
    session.run(
        "set constraints all immediate; set role none; set local statement_timeout = 0; set local lock_timeout = 0");
    session.run(
        """
        select u.read_under, pgoffload.complete_sql(?, ?, ?::pg_catalog.uuid, ?, u.read_under)
        from (select pgoffload.leave_task() as read_under offset 0) u
        """,
        request.id(),
        attempt,
        token,
        result);
    session.run("commit");
  }

  @Override
  public void close() {
    session.close();
  }

  private List<SqlColumn> columns(ResultSet result) {
    try {
      var fields = PgResultSet.class.getDeclaredField("fields");
      fields.setAccessible(true);
      var columns = new ArrayList<SqlColumn>();
      for (var field : (Field[]) fields.get(result)) {
        columns.add(
            new SqlColumn(
                field.getColumnLabel(),
                Integer.toUnsignedLong(field.getOID()),
                field.getMod(),
                String.valueOf(field.getOID())));
      }
      return columns;
    } catch (ReflectiveOperationException e) {
      throw new LinkageError("the driver has changed", e);
    }
  }

  private static @Nullable List<SqlNotice> notices(Statement statement) throws SQLException {
    var notices = new ArrayList<SqlNotice>();
    for (var warning = statement.getWarnings();
        warning != null;
        warning = warning.getNextWarning()) {
      if (warning instanceof org.postgresql.util.PSQLWarning told) {
        var message = told.getServerErrorMessage();
        notices.add(
            new SqlNotice(
                String.valueOf(message.getSeverity()),
                String.valueOf(message.getSQLState()),
                String.valueOf(message.getMessage()),
                message.getDetail(),
                message.getHint()));
      }
    }
    return notices.isEmpty() ? null : notices;
  }

  private static SqlError error(SQLException e) {
    var message = e instanceof PSQLException p ? p.getServerErrorMessage() : null;
    if (message == null) {
      return SqlError.of("XX000", String.valueOf(e.getMessage()), null, null);
    }
    return new SqlError(
        String.valueOf(message.getSQLState()),
        String.valueOf(message.getMessage()),
        message.getDetail(),
        message.getHint(),
        message.getWhere(),
        new SqlError.NamedObject(
            message.getSchema(),
            message.getTable(),
            message.getColumn(),
            message.getDatatype(),
            message.getConstraint()),
        message.getPosition() == 0 ? null : message.getPosition());
  }
}
