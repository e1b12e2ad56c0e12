package org.pgoffload.dev.faults.books;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.pgoffload.dev.faults.installation.Tag;
import org.pgoffload.platform.DatabaseAddress;

/// Reads the tables of one run.
///
/// @param database the superuser's address, asked before each reading
/// @param run whose tags are read
/// @param after the last request id before the run
public record ReadTables(Supplier<DatabaseAddress> database, String run, long after) {
  /// The contents of the tables.
  ///
  /// @param requests the rows of both request tables that bear the run's tag
  /// @param results by request id, of all kinds
  /// @param effects by number
  public record Tables(
      List<Found.Row> requests, Map<Long, Found.Ending> results, Map<Integer, Integer> effects) {
    /// The numbers of the requests that have a row.
    public Set<Integer> numbers() {
      return requests.stream().map(Found.Row::number).collect(Collectors.toSet());
    }
  }

  private static final String REQUESTS =
      """
      select id, prompt from llm_request where id > ?
      union all
      select id, command from sql_request where id > ?\
      """;
  private static final String RESULTS =
      """
      select id, status, error_code,
             (select count(*) from jsonb_array_elements(calls) c where c ->> 'error_code' is not null),
             answer
      from pgoffload.llm_result where id > ?
      union all
      select id, status, error ->> 'sqlstate', 0, null from pgoffload.sql_result where id > ?\
      """;

  public Tables read() throws SQLException {
    try (var connection = database.get().connect("faults books")) {
      var requests = new ArrayList<Found.Row>();
      try (var statement = connection.prepareStatement(REQUESTS);
          var rows = statement(statement).executeQuery()) {
        while (rows.next()) {
          long id = rows.getLong(1);
          var text = rows.getString(2);
          Tag.in(text == null ? "" : text)
              .filter(tag -> tag.run().equals(run))
              .ifPresent(tag -> requests.add(new Found.Row(id, tag.number())));
        }
      }
      var results = new HashMap<Long, Found.Ending>();
      try (var statement = connection.prepareStatement(RESULTS);
          var rows = statement(statement).executeQuery()) {
        while (rows.next()) {
          var code = rows.getString(3);
          results.put(
              rows.getLong(1),
              new Found.Ending(
                  rows.getString(2),
                  code == null ? "" : code,
                  rows.getInt(4),
                  Tag.in(Objects.requireNonNullElse(rows.getString(5), ""))
                      .map(Tag::number)
                      .orElse(-1)));
        }
      }
      return new Tables(requests, results, effects(connection));
    }
  }

  private PreparedStatement statement(PreparedStatement statement) throws SQLException {
    statement.setLong(1, after);
    statement.setLong(2, after);
    return statement;
  }

  private Map<Integer, Integer> effects(Connection connection) throws SQLException {
    var effects = new HashMap<Integer, Integer>();
    try (var statement =
        connection.prepareStatement("select tag from app.effect where tag like ?")) {
      statement.setString(1, "[" + run + ":%");
      try (var rows = statement.executeQuery()) {
        while (rows.next()) {
          Tag.in(rows.getString(1)).ifPresent(tag -> effects.merge(tag.number(), 1, Integer::sum));
        }
      }
    }
    return effects;
  }
}
