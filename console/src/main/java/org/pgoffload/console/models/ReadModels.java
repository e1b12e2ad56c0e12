package org.pgoffload.console.models;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.database.RoleSession;
import org.pgoffload.console.signin.RoleRights;
import org.pgoffload.console.web.Words;

/// Reads what the role may see of models.
final class ReadModels {
  private static final int MOST = 200;
  private static final int NEWEST = 20_000;

  /// A row for each model and currency.
  private static final String USAGE =
      """
      with used as (
        select u.provider, u.model, date_trunc('hour', u.minute, 'UTC') as hour, sum(u.requests) as requests, sum(u.failed) as failed,
               sum(u.calls) as calls, sum(u.failed_calls) as failed_calls, sum(u.input_tokens) as input_tokens,
               sum(u.cached_tokens) as cached_tokens, sum(u.output_tokens) as output_tokens
        from pgoffload.llm_usage_minute u
        where u.minute >= date_trunc('minute', clock_timestamp()) - make_interval(hours => ?) and u.model <> ''
        group by 1, 2, 3
      )
      select u.provider, u.model, p.currency, sum(u.requests)::bigint as requests, sum(u.failed)::bigint as failed,
             sum(u.calls)::bigint as calls, sum(u.failed_calls)::bigint as failed_calls, sum(u.input_tokens)::bigint as input_tokens,
             sum(u.output_tokens)::bigint as output_tokens,
             sum(pgoffload.cost_of(p, u.input_tokens, u.cached_tokens, u.output_tokens)) as cost
      from used u
      left join lateral pgoffload.price_at(u.provider, u.model, u.hour) p on true
      group by u.provider, u.model, p.currency
      order by calls desc, u.provider, u.model
      limit ?
      """;

  private static final String ERRORS =
      """
      select e ->> 'provider' as provider, e ->> 'model' as model, e ->> 'error_code' as code,
             sum(coalesce((e ->> 'times')::bigint, 1))::bigint as times
      from pgoffload.llm_result r, jsonb_array_elements(r.calls) e
      where r.id > ? and r.finished_at > clock_timestamp() - make_interval(hours => ?) and e ->> 'error_code' is not null
      group by 1, 2, 3 order by times desc, code
      """;

  private final RoleSession session;
  private final int hours;

  ReadModels(RoleSession session, int hours) {
    this.session = session;
    this.hours = hours;
  }

  /// Of a role that may not ask, the models are those that workers tell of to operators.
  Models all(RoleRights rights) throws SQLException {
    var models = new LinkedHashMap<String, Models.Model>();
    var paces = paces();
    boolean hasOlder = rights.asks() && addUsed(models, paces);
    boolean operates = session.isOperator();
    if (operates) {
      paces.forEach((target, pace) -> models.putIfAbsent(target, unused(target, pace)));
    }
    return new Models(hours, hasOlder, List.copyOf(models.values()), pauses(), operates);
  }

  private static Models.Model unused(String target, Models.Pace pace) {
    int colon = target.indexOf(':');
    return new Models.Model(
        target.substring(0, colon),
        target.substring(colon + 1),
        new Models.Counts(0, 0, 0, 0, 0, 0),
        "",
        List.of(),
        pace);
  }

  /// @return whether errors are those of the newest requests alone
  private boolean addUsed(Map<String, Models.Model> models, Map<String, Models.Pace> paces)
      throws SQLException {
    long low =
        session.row(
            "select pgoffload.request_window(?, ?, true, false)",
            row -> row.getLong(1),
            Long.MAX_VALUE,
            NEWEST);
    var errors = errors(low);
    for (var used : session.rows(USAGE, ReadModels::used, hours, MOST)) {
      var target = used.provider() + ":" + used.name();
      models.merge(
          target,
          new Models.Model(
              used.provider(),
              used.name(),
              used.counts(),
              used.cost(),
              errors.getOrDefault(target, List.of()),
              paces.get(target)),
          ReadModels::merged);
    }
    return low > 0;
  }

  private List<Models.Pause> pauses() throws SQLException {
    return session.rows(
        "select * from ${public_schema}.pgoffload_paused p order by p.since desc",
        row ->
            new Models.Pause(
                row.getString("model"),
                row.getString("provider"),
                row.getString("role"),
                row.getObject("since", OffsetDateTime.class).toInstant(),
                row.getString("paused_by"),
                row.getString("reason")));
  }

  private static Models.Model used(ResultSet row) throws SQLException {
    var cost = row.getBigDecimal("cost");
    var currency = row.getString("currency");
    return new Models.Model(
        row.getString("provider"),
        row.getString("model"),
        new Models.Counts(
            row.getLong("requests"),
            row.getLong("failed"),
            row.getLong("calls"),
            row.getLong("failed_calls"),
            row.getLong("input_tokens"),
            row.getLong("output_tokens")),
        cost == null || currency == null ? "" : words(cost) + " " + currency,
        List.of(),
        null);
  }

  /// A model whose price has changed its currency, or has begun only then.
  private static Models.Model merged(Models.Model one, Models.Model other) {
    var a = one.counts();
    var b = other.counts();
    return new Models.Model(
        one.provider(),
        one.name(),
        new Models.Counts(
            a.requests() + b.requests(),
            a.failed() + b.failed(),
            a.calls() + b.calls(),
            a.failedCalls() + b.failedCalls(),
            a.inputTokens() + b.inputTokens(),
            a.outputTokens() + b.outputTokens()),
        (one.cost() + " " + other.cost()).strip(),
        one.errors(),
        one.pace());
  }

  private static String words(BigDecimal cost) {
    return cost.setScale(4, RoundingMode.HALF_UP).toPlainString();
  }

  private Map<String, List<Models.ErrorCount>> errors(long low) throws SQLException {
    var errors = new HashMap<String, List<Models.ErrorCount>>();
    session.rows(
        ERRORS,
        row ->
            errors
                .computeIfAbsent(
                    row.getString("provider") + ":" + row.getString("model"),
                    _ -> new ArrayList<>())
                .add(new Models.ErrorCount(row.getString("code"), row.getLong("times"))),
        low,
        hours);
    return errors;
  }

  /// The worker where most waits says why.
  private Map<String, Models.Pace> paces() throws SQLException {
    var paces = new HashMap<String, Models.Pace>();
    session.rows(
        """
        select p.target, sum(p.calling)::bigint as calling, sum(p.waiting)::bigint as waiting, sum(p.per_second) as per_second,
               (array_agg(p.why order by p.waiting desc) filter (where p.why is not null))[1] as why,
               max(p.until) as until, clock_timestamp() as now
        from pgoffload.model_pace p group by p.target
        """,
        row -> {
          var perSecond = row.getBigDecimal("per_second");
          var until = row.getObject("until", OffsetDateTime.class);
          return paces.put(
              row.getString("target"),
              new Models.Pace(
                  row.getLong("calling"),
                  row.getLong("waiting"),
                  why(row.getString("why"))
                      + until(
                          until == null ? null : until.toInstant(),
                          row.getObject("now", OffsetDateTime.class).toInstant()),
                  perSecond == null
                      ? null
                      : perSecond.setScale(2, RoundingMode.HALF_UP).toPlainString()));
        });
    return paces;
  }

  /// As `request_why` says it of one request.
  private static String why(@Nullable String why) {
    return switch (why) {
      case null -> "";
      case "vendor_asked" -> "the vendor has refused calls and asked to wait";
      case "vendor_limit" -> "the vendor says that its limit is used up";
      case "refusals" -> "as many calls as got through before the vendor refused some";
      case "requests_per_minute" -> "as many calls as are configured";
      case "tokens_per_minute" -> "as many tokens as are configured";
      case "concurrency" -> "as many calls under way as are configured";
      case "window" -> "as many calls under way as have succeeded at a time";
      default -> "";
    };
  }

  private static String until(@Nullable Instant until, Instant now) {
    return until == null || !until.isAfter(now)
        ? ""
        : "; the next one in " + Words.duration(Duration.between(now, until).toMillis());
  }
}
