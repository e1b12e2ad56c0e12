package org.pgoffload.dev.benchmarks;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.benchmarks.processor.ProcessorTime;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Target;

/// What a maintained column costs whoever writes to its table: the processor time of the writer's
/// backend for each row, without that of the same statement on a table without trigger, and without
/// that of an INSERT of as many rows into `llm_request`. All are rolled back: nothing is asked.
record MeasureMaintained() implements Measure {
  private static final int ROWS = 20_000;
  private static final String SCHEMA = "pgoffload_benchmark_maintained";
  private static final String TEXTS = "'title ' || i, repeat('word ', 40)";
  private static final String SERIES = " from generate_series(1, " + ROWS + ") i";

  private static final String INSERT =
      "insert into " + SCHEMA + ".%s (id, title, body) select i, " + TEXTS + SERIES;
  private static final String REQUESTS =
      "insert into llm_request (prompt) select concat(" + TEXTS + ")" + SERIES;

  @Override
  public String name() {
    return "maintained";
  }

  @Override
  public String what() {
    return "20,000 rows written to a table with a maintained column";
  }

  @Override
  public Optional<String> hindrance(BenchmarkTarget target) {
    return target.hindranceOfProcessorTime();
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan) throws SQLException {
    try (var admin = target.admin().connect("pgoffload bench")) {
      drop(admin);
      create(admin, target.application().user());
      try (var declarer = target.application().connect("pgoffload bench")) {
        // where llm_request is, which a superuser's search_path may not lead to
        var path = value(declarer, "show search_path");
        run(admin, "select set_config('search_path', '" + path.replace("'", "''") + "', false)");
        value(
            declarer,
            "select llm_maintain('"
                + SCHEMA
                + "', source => '"
                + SCHEMA
                + ".kept', target => 'mood', ask => 'The mood: {title} {body}')");
        try {
          return measure(admin, plan);
        } finally {
          value(declarer, "select llm_maintain_drop('" + SCHEMA + "')");
        }
      } finally {
        drop(admin);
      }
    }
  }

  private Measurement measure(Connection admin, BenchmarkPlan plan) throws SQLException {
    double own = micros(admin, plan, null, REQUESTS);
    double inserted =
        micros(admin, plan, null, INSERT.formatted("kept"))
            - micros(admin, plan, null, INSERT.formatted("plain"));
    double updated = updated(admin, plan, "title = title || '.'");
    double untouched = updated(admin, plan, "other = 1");
    var figures =
        List.of(
            Figure.of("processor of an INSERT into llm_request, for each row", own, "µs"),
            Figure.of("of the trigger, for each inserted row", inserted, "µs"),
            Figure.of("of the trigger above llm_request's own", inserted - own, "µs")
                .to(Target.atMost(60)),
            Figure.of("for each row whose inputs change", updated, "µs"),
            Figure.of("for each row whose inputs stay", untouched, "µs"));
    return new Measurement(name(), what(), figures, List.of(), List.of());
  }

  private static double updated(Connection admin, BenchmarkPlan plan, String set)
      throws SQLException {
    var update = "update " + SCHEMA + ".%s set " + set;
    return micros(admin, plan, INSERT.formatted("kept"), update.formatted("kept"))
        - micros(admin, plan, INSERT.formatted("plain"), update.formatted("plain"));
  }

  /// The smallest of the rounds: what disturbs adds to it.
  private static double micros(
      Connection admin, BenchmarkPlan plan, @Nullable String before, String statement)
      throws SQLException {
    var rounds = new ArrayList<Double>();
    admin.setAutoCommit(false);
    try {
      for (int round = 0; round <= plan.rounds(); round++) {
        if (before != null) {
          run(admin, before);
        }
        var begun = used(admin);
        run(admin, statement);
        rounds.add(used(admin).minus(begun).toNanos() / 1e3 / ROWS);
        admin.rollback();
      }
    } finally {
      admin.rollback();
      admin.setAutoCommit(true);
    }
    return rounds.stream().mapToDouble(each -> each).min().orElseThrow();
  }

  private static Duration used(Connection admin) throws SQLException {
    return ProcessorTime.ofProcess(value(admin, "select pg_read_file('/proc/self/stat')"));
  }

  private static void create(Connection admin, String declarer) throws SQLException {
    run(admin, "create schema " + SCHEMA);
    for (var table : List.of("kept", "plain")) {
      run(
          admin,
          "create table "
              + SCHEMA
              + "."
              + table
              + " (id bigint primary key, title text, body text, mood text, other integer)");
    }
    try (var statement = admin.createStatement()) {
      var role = statement.enquoteIdentifier(declarer, true);
      statement.execute("grant usage on schema " + SCHEMA + " to " + role);
      statement.execute("grant select, update, trigger on " + SCHEMA + ".kept to " + role);
    }
  }

  private static void drop(Connection admin) throws SQLException {
    run(admin, "drop schema if exists " + SCHEMA + " cascade");
  }

  private static void run(Connection connection, String sql) throws SQLException {
    try (var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static String value(Connection connection, String sql) throws SQLException {
    try (var statement = connection.createStatement();
        var row = statement.executeQuery(sql)) {
      row.next();
      return row.getString(1);
    }
  }
}
