package org.pgoffload.console.usage;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.database.RoleSession;
import org.pgoffload.console.web.Words;

/// Reads the usage that the role may see. Minutes are summed up to hours before their prices are
/// looked up: a price begins on the hour.
final class ReadUsage {
  private static final int SHOWN = 200;

  private static final String USAGE =
      """
      with used as (
        select date_bin(make_interval(secs => ?), u.minute, 'epoch') as step, date_trunc('hour', u.minute, 'UTC') as hour,
               u.requested_by_oid, max(coalesce(r.rolname, u.requested_by)) as role, u.provider, u.model,
               sum(u.requests) as requests, sum(u.failed) as failed, sum(u.cached) as cached, sum(u.calls) as calls,
               sum(u.input_tokens) as input_tokens, sum(u.cached_tokens) as cached_tokens, sum(u.output_tokens) as output_tokens
        from pgoffload.llm_usage_minute u
        left join pg_roles r on r.oid = u.requested_by_oid
        where u.minute >= date_bin(make_interval(secs => ?), clock_timestamp(), 'epoch') - make_interval(secs => ?)
          and (?::text is null or coalesce(r.rolname, u.requested_by) = ?::text)
          and (?::text is null or u.provider = ?::text)
          and (?::text is null or u.model = ?::text)
        group by 1, 2, 3, 5, 6
      )
      select grouping(u.step) as without_step, grouping(u.role) as without_role, u.step, u.role,
             nullif(u.provider, '') as provider, nullif(u.model, '') as model, p.currency,
             sum(u.requests)::bigint as requests, sum(u.failed)::bigint as failed, sum(u.cached)::bigint as cached,
             sum(u.calls)::bigint as calls, sum(u.input_tokens)::bigint as input_tokens, sum(u.output_tokens)::bigint as output_tokens,
             sum(pgoffload.cost_of(p, u.input_tokens, u.cached_tokens, u.output_tokens)) as cost
      from used u
      left join lateral pgoffload.price_at(u.provider, u.model, u.hour) p on true
      group by grouping sets ((u.step), (u.requested_by_oid, u.role, u.provider, u.model, p.currency), (p.currency))
      order by without_role desc, u.step, sum(u.input_tokens + u.output_tokens) desc, requests desc
      limit ?
      """;

  private final RoleSession session;
  private final UsageFilter filter;

  ReadUsage(RoleSession session, UsageFilter filter) {
    this.session = session;
    this.filter = filter;
  }

  Usage all() throws SQLException {
    var span = filter.span();
    var counts = new HashMap<Instant, Usage.Counts>();
    var parts = new ArrayList<Usage.Part>();
    var costs = new ArrayList<Usage.Cost>();
    long step = span.step().toSeconds();
    session.rows(
        USAGE,
        row -> {
          var cost = cost(row);
          if (row.getInt("without_step") == 0) {
            counts.put(instant(row, "step"), counts(row));
          } else if (row.getInt("without_role") == 0) {
            parts.add(
                new Usage.Part(
                    row.getString("role"),
                    row.getString("provider"),
                    row.getString("model"),
                    counts(row),
                    cost));
          } else if (cost != null) {
            costs.add(cost);
          }
          return true;
        },
        step,
        step,
        (span.steps() - 1) * step,
        value("role"),
        value("role"),
        value("provider"),
        value("provider"),
        value("model"),
        value("model"),
        // steps and currencies come first
        SHOWN + span.steps() + 20);
    boolean hasMore = parts.size() > SHOWN;
    return new Usage(
        filter,
        steps(span, counts),
        hasMore ? parts.subList(0, SHOWN) : parts,
        hasMore,
        costs,
        budgets());
  }

  private @Nullable String value(String name) {
    return filter.values().get(name);
  }

  private List<Usage.Step> steps(Span span, Map<Instant, Usage.Counts> counts) throws SQLException {
    var last =
        session.row(
            "select date_bin(make_interval(secs => ?), clock_timestamp(), 'epoch')",
            row -> instant(row, "date_bin"),
            span.step().toSeconds());
    var steps = new ArrayList<Usage.Step>();
    for (int back = span.steps() - 1; back >= 0; back--) {
      var at = last.minus(span.step().multipliedBy(back));
      steps.add(new Usage.Step(at, counts.getOrDefault(at, Usage.Counts.NONE)));
    }
    return steps;
  }

  private static Usage.Counts counts(ResultSet row) throws SQLException {
    return new Usage.Counts(
        row.getLong("requests"),
        row.getLong("failed"),
        row.getLong("cached"),
        row.getLong("calls"),
        row.getLong("input_tokens"),
        row.getLong("output_tokens"));
  }

  private static Usage.@Nullable Cost cost(ResultSet row) throws SQLException {
    var amount = row.getBigDecimal("cost");
    var currency = row.getString("currency");
    return amount == null || currency == null ? null : new Usage.Cost(amount, currency);
  }

  private List<Usage.Budget> budgets() throws SQLException {
    var budgets =
        session.rows(
            "select * from pgoffload.budget_used b order by b.role, b.period", ReadUsage::budgets);
    return budgets.stream().flatMap(List::stream).toList();
  }

  /// A budget of tokens and cost is two here: each has its own rest.
  private static List<Usage.Budget> budgets(ResultSet row) throws SQLException {
    var budgets = new ArrayList<Usage.Budget>();
    var tokens = row.getBigDecimal("max_tokens");
    if (tokens != null) {
      budgets.add(budget(row, tokens, row.getBigDecimal("tokens"), "tokens"));
    }
    var cost = row.getBigDecimal("max_cost");
    if (cost != null) {
      budgets.add(budget(row, cost, row.getBigDecimal("cost"), row.getString("currency")));
    }
    return budgets;
  }

  private static Usage.Budget budget(ResultSet row, BigDecimal limit, BigDecimal used, String unit)
      throws SQLException {
    var left = limit.subtract(used).max(BigDecimal.ZERO);
    int percent =
        limit.signum() == 0
            ? 100
            : used.multiply(BigDecimal.valueOf(100))
                .divide(limit, 0, RoundingMode.DOWN)
                .min(BigDecimal.valueOf(100))
                .intValue();
    return new Usage.Budget(
        row.getString("role"),
        row.getString("period"),
        words(limit, unit),
        words(used, unit),
        words(left, unit),
        percent,
        instant(row, "begins_anew"));
  }

  private static String words(BigDecimal amount, String unit) {
    return Words.number(amount) + " " + unit;
  }

  private static Instant instant(ResultSet row, String column) throws SQLException {
    return row.getObject(column, OffsetDateTime.class).toInstant();
  }
}
