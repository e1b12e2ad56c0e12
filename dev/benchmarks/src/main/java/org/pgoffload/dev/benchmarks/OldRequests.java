package org.pgoffload.dev.benchmarks;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.pgoffload.platform.Query;

/// Answered requests of earlier days, written into the tables as they are once everything has
/// ended: each range of ids has as many, four of five to a model and one of SQL.
final class OldRequests {
  /// Above the ids that are drawn meanwhile.
  private static final long FIRST_OF_RANGE = 1_000_000_000;

  private static final String CLAIM =
      """
      insert into pgoffload.claim (id, attempt, worker, epoch, requested_by_oid)
      select i, 1, 'bench', 1, r.oid
      from generate_series(?::bigint, ?::bigint) i, pg_roles r where r.rolname = ?
      """;

  private static final List<String> LLM =
      List.of(
          """
          insert into llm_request (id, prompt, provider, model, requested_by, requested_by_oid)
          select i, 'Summarize document ' || i, 'echo', 'echo-no-model', r.rolname, r.oid
          from generate_series(?::bigint, ?::bigint) i, pg_roles r where r.rolname = ?
          """,
          CLAIM,
          """
          insert into pgoffload.llm_result
            (id, kind, status, requested_by_oid, answer, finish_reason, provider, model, input_tokens, output_tokens,
             attempts, queued_ms, ran_ms, worker, finished_at)
          select i, 'ask', 'succeeded', r.oid, '[echo, no model] Summarize document ' || i, 'stop', 'echo', 'echo-no-model',
                 3, 6, 1, 2.5, 0.1, 'bench', clock_timestamp()
          from generate_series(?::bigint, ?::bigint) i, pg_roles r where r.rolname = ?
          """);

  private static final List<String> SQL =
      List.of(
          """
          insert into sql_request
            (id, command, requested_by, requested_by_oid, login_oid, settings, session, immediate)
          select i, 'select 1', r.rolname, r.oid, r.oid, '{}', i % 10000 || '.1', true
          from generate_series(?::bigint, ?::bigint) i, pg_roles r where r.rolname = ?
          """,
          CLAIM,
          """
          insert into pgoffload.sql_session (id, attempt, pid, started, depth, autocommit)
          select i, 1, 1 + i % 32768, clock_timestamp(), 0, false
          from generate_series(?::bigint, ?::bigint) i, pg_roles r where r.rolname = ?
          """,
          """
          insert into pgoffload.sql_result
            (id, status, requested_by_oid, attempt, tags, row_count, columns, rows, worker, finished_at)
          select i, 'succeeded', r.oid, 1, '{"SELECT 1"}', 1,
                 '[{"name": "?column?", "type": "int4", "type_oid": 23, "typmod": -1}]', '[["1"]]', 'bench', clock_timestamp()
          from generate_series(?::bigint, ?::bigint) i, pg_roles r where r.rolname = ?
          """);

  private OldRequests() {}

  /// Fills the range that ids are taken from, and begins the next one, so many times.
  ///
  /// @param inEach requests of each range
  static void add(BenchmarkTarget target, int ranges, int inEach) throws SQLException {
    try (var admin = target.admin().connect("pgoffload bench")) {
      Query.execute(admin, "set search_path = " + requestSchema(target) + ", pg_catalog");
      // they were sent long ago: no trigger
      Query.execute(admin, "set session_replication_role = replica");
      for (int i = 0; i < ranges; i++) {
        var first = (number(admin, "select pgoffload.current_id_range()") << 36) + FIRST_OF_RANGE;
        var firstOfSql = first + inEach * 4L / 5;
        insert(admin, LLM, first, firstOfSql - 1, target.application().user());
        insert(admin, SQL, firstOfSql, first + inEach - 1, target.application().user());
        number(admin, "select pgoffload.make_partitions(pgoffload.current_id_range() + 1)");
        number(admin, "select pgoffload.begin_id_range()");
      }
      number(admin, "select pgoffload.make_partitions(pgoffload.current_id_range() + 1)");
      Query.execute(admin, "analyze");
    }
  }

  private static String requestSchema(BenchmarkTarget target) throws SQLException {
    try (var connection = target.application().connect("pgoffload bench")) {
      return Query.row(
          connection,
          "select relnamespace::regnamespace from pg_class where oid = 'llm_request'::regclass",
          row -> row.getString(1));
    }
  }

  private static void insert(
      Connection admin, List<String> statements, long first, long last, String role)
      throws SQLException {
    for (var sql : statements) {
      Query.execute(admin, sql, first, last, role);
    }
  }

  static long number(Connection admin, String sql) throws SQLException {
    return Query.row(admin, sql, row -> row.getLong(1));
  }
}
