package org.pgoffload.console.requests;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.database.RoleSession;

/// Finds a page of requests that a filter lets through, the newest first.
///
/// Pages go by id, which is the key of all tables. A page is looked for in windows of ids that have
/// a bounded number of requests, whoever's they are, and for a bounded time: a filter that lets
/// next to nothing through, and a role that owns few of millions, get what was found so far, and
/// the id where the search goes on.
final class FindRequests {
  static final int PAGE = 50;

  private static final Duration LONGEST = Duration.ofSeconds(1);

  /// [#idAt] is up to a minute late.
  private static final Duration SLACK = Duration.ofMinutes(2);

  private static final int FIRST_WINDOW = 2_000;
  private static final int LARGEST_WINDOW = 50_000;

  private static final String PENDING_LLM =
      """
      case when (select pgoffload.worker_is_alive(c.worker, c.epoch) from pgoffload.claim c
                 where c.id = q.id order by c.attempt desc limit 1) then 'running' else 'queued' end\
      """;

  private static final String PENDING_SQL =
      "case when pgoffload.is_running(q.id) then 'running' else 'queued' end";

  private final RoleSession session;
  private final RequestFilter filter;

  FindRequests(RoleSession session, RequestFilter filter) {
    this.session = session;
    this.filter = filter;
  }

  /// What was found.
  ///
  /// @param requests at most as many as were wanted
  /// @param searchedDownTo the id below which the search goes on; null where it came to its end, or
  ///   has found all that was wanted
  record Found(List<ListedRequest> requests, @Nullable Long searchedDownTo) {}

  /// Looks for requests below an id.
  ///
  /// @param most how many are wanted
  Found below(long before, int most) throws SQLException {
    return below(before, most, LONGEST);
  }

  /// The same, for as long as that.
  Found below(long before, int most, Duration longest) throws SQLException {
    var deadline = System.nanoTime() + longest.toNanos();
    var found = new ArrayList<ListedRequest>();
    long above = Math.min(before, idAt(filter.until(), Long.MAX_VALUE));
    long end = idAt(filter.from().map(from -> from.minus(SLACK)), 0);
    int window = FIRST_WINDOW;
    while (true) {
      long low = low(above, window);
      found.addAll(window(low, above, most - found.size()));
      if (found.size() >= most || low <= end) {
        return new Found(found, null);
      }
      above = low + 1;
      if (System.nanoTime() > deadline) {
        return new Found(found, above);
      }
      window = Math.min(4 * window, LARGEST_WINDOW);
    }
  }

  private long idAt(Optional<Instant> time, long otherwise) throws SQLException {
    return time.isEmpty()
        ? otherwise
        : session.row(
            "select pgoffload.request_id_at(?::timestamptz)",
            row -> row.getLong(1),
            text(time.get()));
  }

  private long low(long before, int window) throws SQLException {
    return session.row(
        "select pgoffload.request_window(?, ?, ?, ?)",
        row -> row.getLong(1),
        before,
        window,
        filter.takesLlm(),
        filter.takesSql());
  }

  private List<ListedRequest> window(long low, long before, int most) throws SQLException {
    var arms = new ArrayList<String>();
    var parameters = new ArrayList<@Nullable Object>();
    if (filter.takesLlm()) {
      arms.add(llm(low, before, most, parameters));
    }
    if (filter.takesSql()) {
      arms.add(sql(low, before, most, parameters));
    }
    if (arms.isEmpty()) {
      return List.of();
    }
    return session.rows(
        "select * from ("
            + String.join("\nunion all\n", arms)
            + ") f order by f.id desc limit "
            + most,
        FindRequests::listed,
        parameters.toArray());
  }

  private static ListedRequest listed(ResultSet row) throws SQLException {
    return new ListedRequest(
        row.getLong("id"),
        row.getString("kind"),
        row.getString("status"),
        row.getString("role"),
        row.getObject("created_at", OffsetDateTime.class).toInstant(),
        Objects.requireNonNullElse(row.getString("text"), ""),
        row.getString("label"),
        new ListedRequest.Ended(
            row.getString("provider"),
            row.getString("model"),
            row.getString("error"),
            row.getObject("ran_ms", Double.class),
            row.getObject("tokens", Long.class)));
  }

  private String llm(long low, long before, int most, List<@Nullable Object> parameters) {
    var conditions = new Conditions(parameters);
    conditions.add("q.id > ? and q.id < ?", low, before);
    common(conditions, PENDING_LLM);
    filter.get(RequestFilter.KIND).ifPresent(kind -> conditions.add("q.kind = ?", kind));
    filter
        .get(RequestFilter.PROVIDER)
        .ifPresent(provider -> conditions.add("coalesce(r.provider, q.provider) = ?", provider));
    filter
        .get(RequestFilter.MODEL)
        .ifPresent(model -> conditions.add("coalesce(r.model, q.model) = ?", model));
    filter.get(RequestFilter.ERROR).ifPresent(error -> conditions.add("r.error_code = ?", error));
    filter
        .get(RequestFilter.TEXT)
        .ifPresent(text ->
            conditions.add(
                "(strpos(lower(q.prompt), lower(?)) > 0 or strpos(lower(q.messages::text),"
                    + " lower(?)) > 0)",
                text,
                text));
    return """
    (select q.id, q.kind,
           coalesce(r.status, %s) as status,
           coalesce((select o.rolname from pg_roles o where o.oid = q.requested_by_oid), q.requested_by) as role,
           q.created_at,
           left(coalesce(q.prompt, q.messages #>> '{-1,content}', q.inputs[1]), 200) as text,
           null::text as label,
           coalesce(r.provider, q.provider) as provider, coalesce(r.model, q.model) as model,
           r.error_code as error, r.ran_ms, r.input_tokens + r.output_tokens as tokens
    from ${public_schema}.llm_request q
    left join pgoffload.llm_result r on r.id = q.id and r.id > %d and r.id < %d
    where %s
    order by q.id desc limit %d)
    """
        .formatted(PENDING_LLM, low, before, conditions.text(), most);
  }

  private String sql(long low, long before, int most, List<@Nullable Object> parameters) {
    var conditions = new Conditions(parameters);
    conditions.add("q.id > ? and q.id < ?", low, before);
    common(conditions, PENDING_SQL);
    filter.get(RequestFilter.LABEL).ifPresent(label -> conditions.add("q.label = ?", label));
    filter
        .get(RequestFilter.ERROR)
        .ifPresent(error -> conditions.add("r.error ->> 'sqlstate' = ?", error));
    filter
        .get(RequestFilter.TEXT)
        .ifPresent(text -> conditions.add("strpos(lower(q.command), lower(?)) > 0", text));
    return """
    (select q.id, 'sql' as kind,
           coalesce(r.status, %s) as status,
           coalesce((select o.rolname from pg_roles o where o.oid = q.requested_by_oid), q.requested_by) as role,
           q.created_at, left(q.command, 200) as text, q.label,
           null::text as provider, null::text as model,
           r.error ->> 'sqlstate' as error, r.ran_ms, null::bigint as tokens
    from ${public_schema}.sql_request q
    left join pgoffload.sql_result r on r.id = q.id and r.id > %d and r.id < %d
    where %s
    order by q.id desc limit %d)
    """
        .formatted(PENDING_SQL, low, before, conditions.text(), most);
  }

  /// What both kinds have.
  ///
  /// @param pending the status of a request that has no result
  private void common(Conditions conditions, String pending) {
    filter
        .get(RequestFilter.ROLE)
        .ifPresent(role ->
            conditions.add(
                "(q.requested_by_oid in (select o.oid from pg_roles o where o.rolname = ?)"
                    + " or q.requested_by = ?)",
                role,
                role));
    filter
        .get(RequestFilter.TAG)
        .ifPresent(tag -> {
          int equals = tag.indexOf('=');
          if (equals < 0) {
            conditions.add("jsonb_exists(q.tags, ?)", tag);
          } else {
            conditions.add("q.tags ->> ? = ?", tag.substring(0, equals), tag.substring(equals + 1));
          }
        });
    filter.from().ifPresent(from -> conditions.add("q.created_at >= ?::timestamptz", text(from)));
    filter.until().ifPresent(until -> conditions.add("q.created_at < ?::timestamptz", text(until)));
    filter
        .get(RequestFilter.STATUS)
        .ifPresent(status -> conditions.add("coalesce(r.status, " + pending + ") = ?", status));
  }

  private static String text(Instant time) {
    return time.toString();
  }

  /// Conditions, and the parameters in their order.
  private static final class Conditions {
    private final List<String> all = new ArrayList<>();
    private final List<@Nullable Object> parameters;

    private Conditions(List<@Nullable Object> parameters) {
      this.parameters = parameters;
    }

    private void add(String condition, @Nullable Object... values) {
      all.add(condition);
      parameters.addAll(List.of(values));
    }

    private String text() {
      return String.join(" and ", all);
    }
  }
}
