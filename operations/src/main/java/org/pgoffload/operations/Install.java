package org.pgoffload.operations;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallSchema;

/// Installs the schema, the slot and the topics. Idempotent.
///
/// @param database a login that may create roles, schemas and replication slots
/// @param publicSchema where the public tables and functions go
/// @param pgBackgroundApi the version of pg_background that the one name with two meanings follows,
///   or null to leave it as it is
/// @param slot the replication slot's name
/// @param patience how long the slot's creation waits for open transactions
/// @param logins passwords of the parts' roles that are to log in, by role
/// @param kafka Kafka's client properties, or null to leave the topics alone
/// @param topics the topics' names
/// @param partitions of topics that are created
/// @param replicationFactor of topics that are created; -1 for the broker's default
public record Install(
    DatabaseAddress database,
    String publicSchema,
    @Nullable String pgBackgroundApi,
    String slot,
    Duration patience,
    Map<String, Secret> logins,
    @Nullable Map<String, Object> kafka,
    TopicNames topics,
    int partitions,
    short replicationFactor) {
  private static final String TOPICS_CREATED = "topics_created";

  /// Applies what is missing.
  ///
  /// @param say is told what is being waited for
  /// @return one line for each thing that changed
  public List<String> run(Consumer<String> say) {
    // one that belongs to another database is refused before anything is made
    InstallSlot.isMissing(database, slot);
    var changes = new ArrayList<>(InstallSchema.run(database, publicSchema, pgBackgroundApi));
    changes.addAll(InstallLogins.run(database, logins));
    var created = installSlot(say);
    created.ifPresent(changes::add);
    InstallSlot.record(database, slot);
    var topicChanges = kafka == null ? null : installTopics(kafka);
    if (topicChanges != null) {
      changes.addAll(topicChanges.lines());
    }
    // also what an interrupted installation has planned
    RecordCaptureBreak.complete(database).ifPresent(changes::add);
    if (topicChanges != null) {
      TopicSettings.recordRequests(database, topicChanges.requests());
      TopicSettings.recordDeviations(database, List.of());
    }
    return changes;
  }

  private Optional<String> installSlot(Consumer<String> say) {
    if (!InstallSlot.isMissing(database, slot)) {
      return Optional.empty();
    }
    RecordCaptureBreak.plan(database, "slot_created");
    return InstallSlot.run(database, slot, patience, say);
  }

  private InstallTopics.Changes installTopics(Map<String, Object> client) {
    var settings = TopicSettings.read(database);
    // a plan that nothing comes of refuses immediate requests for a while
    InstallTopics.requireAnswer(client);
    RecordCaptureBreak.plan(database, TOPICS_CREATED);
    var changes =
        InstallTopics.run(
            client,
            topics,
            partitions,
            replicationFactor,
            settings.maxRequestBytes(),
            settings.retention());
    // made anew by whomever: brokers may do so as soon as somebody asks for a topic
    if (!changes.lostRequests()
        && (settings.requests().isEmpty() || settings.requests().equals(changes.requests()))) {
      RecordCaptureBreak.forget(database, TOPICS_CREATED);
    }
    return changes;
  }

  /// Without Kafka's properties, which hold a password.
  @Override
  public String toString() {
    return "Install[" + database + ", " + publicSchema + ", slot=" + slot + ", " + topics + "]";
  }
}
