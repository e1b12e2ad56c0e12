package org.pgoffload.console.overview;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.database.RoleSession;
import org.pgoffload.console.signin.RoleRights;
import org.pgoffload.console.web.Words;

/// Reads an overview: of the newest requests, so that it takes the same time however many there
/// are, and of the totals by minute.
final class SampleOverview {
  /// Of each kind, whoever's they are.
  private static final int NEWEST = 5_000;

  private static final String RECENT =
      """
      with low as materialized (select pgoffload.request_window(9223372036854775807, %d, true, true) as id),
      recent as materialized (
        select q.id, q.created_at, r.status, r.error_code, r.queued_ms, r.ran_ms, r.finished_at, r.attempts,
               case when r.id is null then coalesce((select pgoffload.worker_is_alive(c.worker, c.epoch) from pgoffload.claim c
                      where c.id = q.id order by c.attempt desc limit 1), false) end as runs
        from ${public_schema}.llm_request q left join pgoffload.llm_result r on r.id = q.id and r.id > (select l.id from low l)
        where q.id > (select l.id from low l)
        union all
        select q.id, q.created_at, r.status, r.error ->> 'sqlstate', r.queued_ms, r.ran_ms, r.finished_at, r.attempt,
               case when r.id is null then pgoffload.is_running(q.id) end
        from ${public_schema}.sql_request q left join pgoffload.sql_result r on r.id = q.id and r.id > (select l.id from low l)
        where q.id > (select l.id from low l))
      """
          .formatted(NEWEST);

  private static final String FLOW =
      RECENT
          + """
          select count(*) filter (where created_at > clock_timestamp() - interval '1 min')
                   / greatest(1, least(60, extract(epoch from clock_timestamp() - min(created_at)))) as per_second,
                 count(*) filter (where status is null and not runs) as queued,
                 count(*) filter (where runs) as running,
                 extract(epoch from clock_timestamp() - min(created_at) filter (where status is null and not runs)) * 1000 as oldest_ms,
                 count(status) filter (where finished_at > clock_timestamp() - interval '1 h') as ended,
                 count(*) filter (where status in ('failed', 'expired') and finished_at > clock_timestamp() - interval '1 h') as failed,
                 count(*) filter (where attempts > 1) as retried,
                 (select l.id > 0 from low l) as at_least,
                 percentile_cont(array[0.5, 0.95, 0.99]) within group (order by queued_ms) as queued_percentiles,
                 percentile_cont(array[0.5, 0.95, 0.99]) within group (order by ran_ms) as ran_percentiles,
                 (select jsonb_object_agg(f.error_code, f.n) from (
                    select error_code, count(*) as n from recent where error_code is not null
                    group by error_code order by n desc limit 8) f)::text as failures
          from recent
          """;

  private static final String USAGE =
      """
      select extract(epoch from m.minute)::bigint as minute, coalesce(sum(u.requests), 0) as requests,
             coalesce(sum(u.failed), 0) as failed, coalesce(sum(u.input_tokens + u.output_tokens), 0) as tokens,
             sum(u.cost) as cost, min(u.currency) as currency, count(distinct u.currency) as currencies
      from generate_series(date_trunc('minute', clock_timestamp()) - interval '59 min', date_trunc('minute', clock_timestamp()),
                           interval '1 min') m (minute)
      left join ${public_schema}.llm_usage u on u.minute = m.minute
      group by m.minute order by m.minute
      """;

  private final RoleSession session;
  private final RoleRights rights;

  SampleOverview(RoleSession session, RoleRights rights) {
    this.session = session;
    this.rights = rights;
  }

  /// Reads all but the health of the installation, which takes longer.
  ///
  /// @param problems as they were found last
  Overview with(List<Overview.HealthProblem> problems) throws SQLException {
    var usage = rights.asks() ? usage() : null;
    var workers = rights.asks() || rights.operates() ? workers() : List.<Overview.Worker>of();
    if (!rights.requests()) {
      return new Overview(
          Instant.now(), null, List.of(), List.of(), usage, workers, problems, false);
    }
    return session.row(
        FLOW,
        row ->
            new Overview(
                Instant.now(),
                flow(row),
                hops(row),
                failures(row),
                usage,
                workers,
                problems,
                false));
  }

  /// The checks of the installation that are not well.
  List<Overview.HealthProblem> problems() throws SQLException {
    return session.rows(
        """
        select h.check, h.state, h.detail, h.advice from ${public_schema}.llm_health h
        where h.state <> 'ok' order by h.state <> 'error', h.check
        """,
        row ->
            new Overview.HealthProblem(
                row.getString(1), row.getString(2), row.getString(3), row.getString(4)));
  }

  private static Overview.Flow flow(ResultSet row) throws SQLException {
    return new Overview.Flow(
        String.format(Locale.ROOT, "%.1f", row.getDouble("per_second")),
        row.getLong("queued"),
        row.getLong("running"),
        Words.duration(row.getObject("oldest_ms")),
        row.getLong("ended"),
        row.getLong("failed"),
        row.getLong("retried"),
        row.getBoolean("at_least"));
  }

  private static List<Overview.Hop> hops(ResultSet row) throws SQLException {
    var hops = new ArrayList<Overview.Hop>();
    add(hops, "Until a worker claims it", row, "queued_percentiles");
    add(hops, "From the claim to the result", row, "ran_percentiles");
    return hops;
  }

  private static void add(List<Overview.Hop> hops, String name, ResultSet row, String column)
      throws SQLException {
    var array = row.getArray(column);
    if (array != null) {
      var values = (@Nullable Double[]) array.getArray();
      hops.add(new Overview.Hop(name, words(values[0]), words(values[1]), words(values[2])));
    }
  }

  private static String words(@Nullable Double milliseconds) {
    var words = Words.duration(milliseconds);
    return words == null ? "" : words;
  }

  private static List<Overview.Failure> failures(ResultSet row) throws SQLException {
    var failures = new ArrayList<Overview.Failure>();
    Words.numbers(row.getString("failures"))
        .forEach((code, count) -> failures.add(new Overview.Failure(code, count)));
    failures.sort((a, b) -> Long.compare(b.count(), a.count()));
    return failures;
  }

  private record Minute(long at, long requests, long failed, long tokens, double cost) {}

  private Overview.Usage usage() throws SQLException {
    var currency = new StringBuilder();
    var minutes =
        session.rows(
            USAGE,
            row -> {
              if (row.getString("currency") != null && row.getLong("currencies") == 1) {
                currency.setLength(0);
                currency.append(row.getString("currency"));
              }
              return new Minute(
                  row.getLong("minute"),
                  row.getLong("requests"),
                  row.getLong("failed"),
                  row.getLong("tokens"),
                  row.getDouble("cost"));
            });
    double cost = minutes.stream().mapToDouble(Minute::cost).sum();
    var x = minutes.stream().map(Minute::at).toList();
    return new Overview.Usage(
        minutes.stream().mapToLong(Minute::tokens).sum(),
        currency.isEmpty() ? "" : String.format(Locale.ROOT, "%.2f %s", cost, currency),
        Words.chart(
            x,
            List.of("ended", "failed"),
            List.of(
                minutes.stream().map(Minute::requests).toList(),
                minutes.stream().map(Minute::failed).toList())),
        Words.chart(x, List.of("tokens"), List.of(minutes.stream().map(Minute::tokens).toList())));
  }

  private List<Overview.Worker> workers() throws SQLException {
    return session.rows(
        """
        select w.name, w.provider, w.alive, w.in_flight, w.unfinished, w.version,
               extract(epoch from w.oldest) * 1000 as oldest_ms
        from ${public_schema}.llm_worker w order by not w.alive, w.name limit 50
        """,
        row ->
            new Overview.Worker(
                row.getString("name"),
                row.getString("provider"),
                row.getBoolean("alive"),
                row.getLong("in_flight"),
                waiting(row),
                row.getString("version")));
  }

  private static String waiting(ResultSet row) throws SQLException {
    long unfinished = row.getLong("unfinished");
    var oldest = Words.duration(row.getObject("oldest_ms"));
    return unfinished == 0 ? "" : unfinished + (oldest == null ? "" : ", the oldest " + oldest);
  }
}
