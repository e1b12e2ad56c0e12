package org.pgoffload.console.requests;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.database.RoleSession;
import org.pgoffload.console.web.Words;

/// Reads a request of background SQL, with what became of it.
final class ReadSqlRequest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int MOST_ROWS = 200;

  /// Above it the rows are not read: the function reads all of them before it returns the first.
  private static final long MOST_TO_READ = 5_000;

  private static final String QUERY =
      """
      select q.created_at, q.command, q.label, q.tags::text as tags, q.ordering_key, q.timeout::text as timeout,
             q.immediate, q.retry_of, q.parent,
             coalesce((select o.rolname from pg_roles o where o.oid = q.requested_by_oid), q.requested_by) as role,
             ${public_schema}.sql_status(q.id) as status, a.tag, a.row_count, a.error, a.sqlstate, a.detail, a.hint,
             a.attempts, a.finished_at, q.submitted,
             extract(epoch from a.queued) * 1000 as queued_ms, extract(epoch from a.ran) * 1000 as ran_ms,
             p.pct, p.message as progress,
             format('insert into sql_request (command%s%s) values (%s%s%s) returning id',
               case when q.label is not null then ', label' end, case when q.timeout is not null then ', timeout' end,
               quote_literal(q.command), ', ' || quote_literal(q.label), ', ' || quote_literal(q.timeout::text)) as copy
      from ${public_schema}.sql_request q, lateral ${public_schema}.sql_result(q.id) a
      left join lateral pgoffload.last_progress(q.id) p on true
      where q.id = ?
      """;

  private final RoleSession session;
  private final boolean withTexts;

  ReadSqlRequest(RoleSession session, boolean withTexts) {
    this.session = session;
    this.withTexts = withTexts;
  }

  ShownRequest of(long id) throws SQLException {
    return ReadRow.of(session, id, QUERY, (row, timeline) -> shown(id, row, timeline));
  }

  private ShownRequest shown(long id, ResultSet row, List<ShownRequest.Hop> timeline)
      throws SQLException {
    return new ShownRequest(
        id,
        RequestFilter.SQL,
        ReadWhy.state(session, id, row.getString("status"), fault(row)),
        withTexts ? texts(id, row) : null,
        facts(row),
        timeline,
        List.of());
  }

  private ShownRequest.Texts texts(long id, ResultSet row) throws SQLException {
    return new ShownRequest.Texts(
        row.getString("command"),
        null,
        row.getString("tag"),
        table(id, row),
        row.getString("copy"));
  }

  private static ShownRequest.@Nullable Fault fault(ResultSet row) throws SQLException {
    var state = row.getString("sqlstate");
    return state == null
        ? null
        : new ShownRequest.Fault(
            state,
            Facts.orEmpty(row.getString("error")),
            row.getString("detail"),
            row.getString("hint"));
  }

  private static List<ShownRequest.Fact> facts(ResultSet row) throws SQLException {
    return new Facts()
        .add("Role", row.getString("role"))
        .add("Label", row.getString("label"))
        .add("Progress", progress(row))
        .add("Rows", row.getString("row_count"))
        .add("Queued", Words.duration(row.getObject("queued_ms")))
        .add("Ran", Words.duration(row.getObject("ran_ms")))
        .add("Attempts", row.getString("attempts"))
        .add("Sent", row.getBoolean("immediate") ? "at once" : "with its transaction")
        .add("Tags", row.getString("tags"))
        .add("Ordering key", row.getString("ordering_key"))
        .add("Timeout", row.getString("timeout"))
        .add("Launched by task", row.getString("parent"))
        .add("Repeats", row.getString("retry_of"))
        .all();
  }

  private static @Nullable String progress(ResultSet row) throws SQLException {
    var message = row.getString("progress");
    var percent = row.getString("pct");
    return percent == null ? message : percent + " %" + (message == null ? "" : ", " + message);
  }

  private ShownRequest.@Nullable Table table(long id, ResultSet row) throws SQLException {
    long count = row.getLong("row_count");
    if (!"succeeded".equals(row.getString("status")) || count == 0 || row.getBoolean("submitted")) {
      return null;
    }
    if (count > MOST_TO_READ) {
      return new ShownRequest.Table(
          List.of(), List.of(), count + " rows: select sql_rows_json(" + id + ")");
    }
    var rows =
        session.rows(
            "select ${public_schema}.sql_rows_json(?)::text limit " + MOST_ROWS,
            each -> json(each.getString(1)),
            id);
    var columns = new LinkedHashSet<String>();
    rows.forEach(each -> each.fieldNames().forEachRemaining(columns::add));
    return new ShownRequest.Table(
        List.copyOf(columns),
        rows.stream().map(each -> values(each, columns)).toList(),
        count > rows.size() ? "the first " + rows.size() + " of " + count + " rows" : "");
  }

  private static List<@Nullable String> values(JsonNode row, Set<String> columns) {
    var values = new ArrayList<@Nullable String>();
    for (var column : columns) {
      var value = row.get(column);
      values.add(
          value == null || value.isNull()
              ? null
              : value.isTextual() ? value.asText() : value.toString());
    }
    return values;
  }

  private static JsonNode json(String text) {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("the database has made no JSON", e);
    }
  }
}
