package org.pgoffload.launcher;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.DatabaseAddress;
import org.pgoffload.schema.InstallException;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.schema.InstallSlot;
import org.pgoffload.schema.InstallTopics;

/// Installs the schema, the slot and the topics. Idempotent.
///
/// @param database a login that may create roles, schemas and replication slots
/// @param publicSchema where the public tables and functions go
/// @param slot the replication slot's name
/// @param patience how long the slot's creation waits for open transactions
/// @param kafka Kafka's client properties, or null to leave the topics alone
/// @param topics the topics' names
/// @param partitions of topics that are created
/// @param replicationFactor of topics that are created; -1 for the broker's default
record Install(
    DatabaseAddress database,
    String publicSchema,
    String slot,
    Duration patience,
    @Nullable Map<String, Object> kafka,
    TopicNames topics,
    int partitions,
    short replicationFactor) {

  /// Applies what is missing.
  ///
  /// @param say is told what is being waited for
  /// @return one line for each thing that changed
  List<String> run(Consumer<String> say) {
    var changes = new ArrayList<>(InstallSchema.run(database, publicSchema));
    InstallSlot.run(database, slot, patience, say).ifPresent(changes::add);
    if (kafka != null) {
      changes.addAll(
          InstallTopics.run(kafka, topics, partitions, replicationFactor, maxRequestBytes()));
    }
    return changes;
  }

  private int maxRequestBytes() {
    try (var connection = database.connect("pgoffload install");
        var statement = connection.createStatement();
        var row =
            statement.executeQuery(
                "select value::int from pgoffload.setting where name = 'max_request_bytes'")) {
      row.next();
      return row.getInt(1);
    } catch (SQLException e) {
      throw new InstallException("max_request_bytes cannot be read: " + e.getMessage(), e);
    }
  }
}
