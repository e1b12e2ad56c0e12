package org.pgoffload.dev.microbenchmarks;

import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;
import org.pgoffload.worker.sql.statements.SplitStatements;
import org.pgoffload.worker.sql.statements.SqlStatement;

/// Splitting the commands of background SQL.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 1)
public class Statements {
  private final String script =
      """
      create table t (id int primary key, note text default 'a;b');
      create function f() returns trigger language plpgsql as $$ begin new.note := $q$;$q$; return new; end $$;
      -- a comment; with a semicolon
      insert into t select i, U&'d\\0061t\\+000061' from generate_series(1, 100) i; /* nested /* ; */ */
      select count(*) from t where note like E'%\\';%';
      """;

  @Benchmark
  public List<SqlStatement> splitOne() {
    return SplitStatements.of("select 1", true);
  }

  @Benchmark
  public List<SqlStatement> splitScript() {
    return SplitStatements.of(script, true);
  }
}
