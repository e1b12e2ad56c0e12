package org.pgoffload.results;

import java.nio.file.Path;
import java.util.Map;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.TopicNames;

/// The configuration of the results application.
///
/// @param database a login that is a member of pgoffload_results
/// @param topics the topics' names
/// @param kafka Kafka's client properties
/// @param stateDirectory where Kafka Streams keeps its files; can be lost without loss
public record ResultsConfiguration(
    DatabaseAddress database, TopicNames topics, Map<String, Object> kafka, Path stateDirectory) {
  public ResultsConfiguration {
    kafka = Map.copyOf(kafka);
  }

  /// Names the places, without passwords.
  @Override
  public String toString() {
    return "ResultsConfiguration[" + database + ", " + topics + "]";
  }
}
