package org.pgoffload.schema;

import java.sql.SQLException;
import java.time.Duration;

/// What the topics have to follow of the database's settings.
///
/// @param maxRequestBytes the largest request
/// @param retention how long results are kept
public record TopicSettings(int maxRequestBytes, Duration retention) {
  /// Reads them.
  ///
  /// @throws InstallException if they cannot be read
  public static TopicSettings read(DatabaseAddress database) {
    try (var connection = database.connect("pgoffload install");
        var statement = connection.createStatement();
        var row =
            statement.executeQuery(
                """
                select (select value::int from pgoffload.setting where name = 'max_request_bytes'),
                       (select extract(epoch from value::interval)::bigint from pgoffload.setting where name = 'retention')
                """)) {
      row.next();
      return new TopicSettings(row.getInt(1), Duration.ofSeconds(row.getLong(2)));
    } catch (SQLException e) {
      throw new InstallException("the settings cannot be read: " + e.getMessage(), e);
    }
  }
}
