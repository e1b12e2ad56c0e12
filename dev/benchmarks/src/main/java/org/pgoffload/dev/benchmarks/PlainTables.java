package org.pgoffload.dev.benchmarks;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;
import org.pgoffload.platform.DatabaseAddress;

/// Tables of the requests' and the results' shape without trigger, policy or partition, in a schema
/// of the benchmark's own. The tables of an interrupted run are replaced; closing drops the tables.
final class PlainTables implements AutoCloseable {
  static final String REQUEST = "pgoffload_benchmark.request";
  static final String RESULT = "pgoffload_benchmark.result";

  private static final String SCHEMA = "pgoffload_benchmark";

  private final DatabaseAddress admin;

  private PlainTables(DatabaseAddress admin) {
    this.admin = admin;
  }

  static PlainTables create(BenchmarkTarget target) throws SQLException {
    var requests = requestTable(target);
    try (var connection = target.admin().connect("pgoffload bench");
        var statement = connection.createStatement()) {
      drop(statement);
      statement.execute("create schema " + SCHEMA);
      for (var table :
          new String[] {REQUEST + " (like " + requests, RESULT + " (like pgoffload.llm_result"}) {
        statement.execute(
            "create table "
                + table
                + " including defaults including constraints including indexes)");
      }
      var role = statement.enquoteIdentifier(target.application().user(), true);
      statement.execute("grant usage on schema " + SCHEMA + " to " + role);
      statement.execute("grant select, insert on " + REQUEST + ", " + RESULT + " to " + role);
    }
    return new PlainTables(target.admin());
  }

  /// The qualified name, since the superuser's search path may not lead to it.
  private static String requestTable(BenchmarkTarget target) throws SQLException {
    try (var connection = target.application().connect("pgoffload bench")) {
      return requestTable(connection);
    }
  }

  private static String requestTable(Connection application) throws SQLException {
    try (var statement = application.createStatement();
        var row =
            statement.executeQuery(
                "select format('%I.%I', n.nspname, c.relname) from pg_class c"
                    + " join pg_namespace n on n.oid = c.relnamespace"
                    + " where c.oid = to_regclass('llm_request')")) {
      if (!row.next()) {
        throw new BenchmarkException(
            "table llm_request is not on the search path of the application role; install the schema first");
      }
      return row.getString(1);
    }
  }

  private static void drop(Statement statement) throws SQLException {
    statement.execute("drop schema if exists " + SCHEMA + " cascade");
  }

  @Override
  public void close() throws SQLException {
    try (var connection = admin.connect("pgoffload bench");
        var statement = connection.createStatement()) {
      drop(statement);
    }
  }
}
