package org.pgoffload.operations;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallException;

/// The settings of the database that the topics follow.
///
/// @param maxRequestBytes the largest request
/// @param retention how long results are kept
/// @param requests the topics of requests with their ids, as they were recorded last; empty if
///   never
public record TopicSettings(int maxRequestBytes, Duration retention, String requests) {
  /// Reads them.
  ///
  /// @throws InstallException if they cannot be read
  public static TopicSettings read(ConnectAsPart database) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      return Query.row(
          connection,
          """
          select (select value::int from pgoffload.setting where name = 'max_request_bytes'),
                 (select extract(epoch from value::interval)::bigint from pgoffload.setting where name = 'retention'),
                 (select value from pgoffload.setting where name = 'request_topics')
          """,
          row ->
              new TopicSettings(
                  row.getInt(1), Duration.ofSeconds(row.getLong(2)), row.getString(3)));
    } catch (SQLException e) {
      throw new InstallException("the settings cannot be read: " + e.getMessage(), e);
    }
  }

  /// Whether the recorded topics of requests, if any, have other names than these: those belong to
  /// another installation then, or to none.
  public boolean areOthers(TopicNames topics) {
    return !requests.isEmpty()
        && Stream.of(requests.split(","))
            .map(topic -> topic.substring(0, topic.lastIndexOf('=')))
            .noneMatch(topics.requests()::contains);
  }

  /// Records the topics of requests with their ids.
  ///
  /// @param database the owner's login
  /// @throws InstallException if they cannot be recorded
  public static void recordRequests(ConnectAsPart database, String requests) {
    RecordSetting.run(database, "request_topics", requests);
  }

  /// Records, for `llm_health`, which settings of topics are not what they have to be.
  ///
  /// @param database the owner's login
  /// @param deviations all that there are; none if everything is in order
  /// @throws InstallException if they cannot be recorded
  public static void recordDeviations(ConnectAsPart database, List<TopicDeviation> deviations) {
    RecordSetting.run(
        database,
        "topic_faults",
        deviations.stream().map(TopicDeviation::text).collect(Collectors.joining("; ")));
  }
}
