package org.pgoffload.operations;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.Query;

/// How an installation does, as the database knows it.
///
/// @param checks what `llm_health` says
/// @param queue what waits
/// @param workers what `llm_worker` says, of those alive or gone for less than a day
public record InstallationStatus(List<Check> checks, Queue queue, List<Worker> workers) {
  public InstallationStatus {
    checks = List.copyOf(checks);
    workers = List.copyOf(workers);
  }

  private static final ObjectMapper JSON = new ObjectMapper();

  /// A row of `llm_health`.
  ///
  /// @param state `ok`, `warning` or `error`
  /// @param advice what to do about it; null if there is nothing to do
  public record Check(String name, String state, String detail, @Nullable String advice) {}

  /// The requests that wait for a worker.
  ///
  /// @param oldestSeconds how long the oldest has waited; 0 if none waits
  /// @param atLeast whether there were too many requests to look at: both numbers may be larger
  public record Queue(long waiting, double oldestSeconds, boolean atLeast) {}

  /// A row of `llm_worker`.
  ///
  /// @param heartbeatAge seconds since it was heard of
  /// @param doing what it has to do and has done, by the names of the view's columns
  public record Worker(
      String name,
      boolean alive,
      String provider,
      String model,
      String version,
      int inFlight,
      double heartbeatAge,
      JsonNode doing) {
    /// The value of a field; `-` if it has none.
    public String said(String name) {
      return doing.path(name).asText("-");
    }
  }

  /// Whether a worker that is alive executes background SQL.
  public boolean executesSql() {
    return executesSql(workers);
  }

  /// Whether one of these workers that is alive executes background SQL.
  public static boolean executesSql(List<Worker> workers) {
    return workers.stream()
        .anyMatch(worker -> worker.alive() && worker.said("runs_sql").equals("1"));
  }

  /// Asks the database.
  ///
  /// @param database a login that may see `llm_health` and `llm_worker`: the owner, or a member of
  ///   llm_user, pgbackground_role or pgoffload_operator
  /// @throws SQLException if it does not answer, or refuses
  public static InstallationStatus read(ConnectAsPart database) throws SQLException {
    try (var connection = database.connectAsPart("pgoffload status")) {
      Query.execute(connection, "set statement_timeout = '20s'");
      return new InstallationStatus(checks(connection), queue(connection), workers(connection));
    }
  }

  private static List<Check> checks(Connection connection) throws SQLException {
    return Query.rows(
        connection,
        "select \"check\", state, detail, advice from pgoffload.health()",
        row -> new Check(row.getString(1), row.getString(2), row.getString(3), row.getString(4)));
  }

  private static Queue queue(Connection connection) throws SQLException {
    return Query.row(
        connection,
        "select waiting, coalesce(extract(epoch from oldest), 0)::float8, at_least"
            + " from pgoffload.queue_depth(interval '0')",
        row -> new Queue(row.getLong(1), row.getDouble(2), row.getBoolean(3)));
  }

  private static List<Worker> workers(Connection connection) throws SQLException {
    return Query.rows(
        connection,
        """
        select name, pgoffload.worker_is_alive(name, epoch) as alive, provider, model, version,
               in_flight, extract(epoch from clock_timestamp() - heartbeat_at)::float8 as heartbeat_age,
               doing::text as doing
        from pgoffload.worker w
        where heartbeat_at > clock_timestamp() - interval '1 day'
          and (pgoffload.worker_is_alive(name, epoch)
               or not exists (select from pgoffload.worker n where n.name = w.name and n.epoch > w.epoch))
        order by alive desc, name
        """,
        row ->
            new Worker(
                row.getString("name"),
                row.getBoolean("alive"),
                row.getString("provider"),
                row.getString("model"),
                row.getString("version"),
                row.getInt("in_flight"),
                row.getDouble("heartbeat_age"),
                doing(row.getString("doing"))));
  }

  private static JsonNode doing(String json) throws SQLException {
    try {
      return JSON.readTree(json);
    } catch (JsonProcessingException e) {
      throw new SQLException("what a worker says of itself is no JSON", e);
    }
  }
}
