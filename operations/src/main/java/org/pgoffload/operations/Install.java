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

/// Installs the schema, the slot and the topics, and records the primary. Idempotent.
///
/// @param database a login that may create roles, schemas and replication slots
/// @param publicSchema where the public tables and functions go
/// @param pgBackgroundApi the version of pg_background that the one name with two meanings follows,
///   or null to leave it as it is
/// @param slot the replication slot's name
/// @param patience how long the slot's creation waits for open transactions
/// @param logins passwords of the parts' roles that are to log in, by role
/// @param topics the topics, or null to leave them alone
public record Install(
    DatabaseAddress database,
    String publicSchema,
    @Nullable String pgBackgroundApi,
    String slot,
    Duration patience,
    Map<String, Secret> logins,
    @Nullable Topics topics) {
  private static final String TOPICS_CREATED = "topics_created";

  /// The topics of an installation.
  ///
  /// @param client Kafka's client properties, which may hold a password
  /// @param partitions of topics that are created
  /// @param replicationFactor of topics that are created; -1 for 3 where there are three brokers,
  ///   and the broker's default elsewhere
  public record Topics(
      Map<String, Object> client, TopicNames names, int partitions, short replicationFactor) {
    /// The names alone.
    @Override
    public String toString() {
      return names.toString();
    }
  }

  /// Installs what is missing.
  ///
  /// @param say takes a line when the installation begins to wait
  /// @return one line for each thing that changed
  public List<String> run(Consumer<String> say) {
    var own = onPrimary();
    var changes = new ArrayList<>(own.runInDatabase(say));
    changes.addAll(own.runInKafka());
    return changes;
  }

  /// The same on the one server to install on: neither a slot nor a topic is changed for a server
  /// that is not the primary. Where the topics are left alone, so is their record.
  ///
  /// @throws InstallException if the record names another server, or several take writes
  public Install onPrimary() {
    var own =
        topics == null
            ? RecordPrimary.only(database)
            : RecordPrimary.toInstall(database, topics.client, topics.names);
    return new Install(own, publicSchema, pgBackgroundApi, slot, patience, logins, topics);
  }

  /// Installs the schema, the logins and the slot. [#runInKafka()] has to follow.
  ///
  /// @param say takes a line when the installation begins to wait
  /// @return one line for each thing that changed
  public List<String> runInDatabase(Consumer<String> say) {
    // a slot of another database is refused before anything is made
    InstallSlot.isMissing(database, slot);
    var changes = new ArrayList<>(InstallSchema.run(database, publicSchema, pgBackgroundApi));
    changes.addAll(InstallLogins.run(database, logins));
    var created = installSlot(say);
    created.ifPresent(changes::add);
    InstallSlot.record(database, slot);
    return changes;
  }

  /// Installs the topics, unless they are left alone, and plans what has to be sent again.
  ///
  /// @return one line for each thing that changed
  public List<String> runInKafka() {
    var topicChanges = topics == null ? null : installTopics(topics);
    var changes = new ArrayList<String>();
    if (topicChanges != null) {
      changes.addAll(topicChanges.lines());
    }
    // also what an interrupted installation has planned
    RecordCaptureBreak.complete(database).ifPresent(changes::add);
    if (topics != null && topicChanges != null) {
      TopicSettings.recordRequests(database, topicChanges.requests());
      TopicSettings.recordDeviations(database, List.of());
      RecordPrimary.install(database, topics.client, topics.names).ifPresent(changes::add);
    }
    return changes;
  }

  /// What an administrator should know of the topics' replicas; empty if there are enough, or if
  /// the topics are left alone.
  public Optional<String> topicsAdvice() {
    return topics == null ? Optional.empty() : InstallTopics.advice(topics.client, topics.names);
  }

  private Optional<String> installSlot(Consumer<String> say) {
    if (!InstallSlot.isMissing(database, slot)) {
      return Optional.empty();
    }
    RecordCaptureBreak.plan(database, "slot_created");
    return InstallSlot.run(database, slot, patience, say);
  }

  private InstallTopics.Changes installTopics(Topics wanted) {
    var settings = TopicSettings.read(database);
    // a planned break refuses immediate requests, so there is no plan before Kafka has answered
    InstallTopics.requireAnswer(wanted.client);
    RecordCaptureBreak.plan(database, TOPICS_CREATED);
    var changes =
        InstallTopics.run(
            wanted.client,
            wanted.names,
            wanted.partitions,
            wanted.replicationFactor,
            settings.maxRequestBytes(),
            settings.retention());
    // a broker may make a topic anew as soon as a client asks for it
    if (!changes.lostRequests()
        && (settings.requests().isEmpty() || settings.requests().equals(changes.requests()))) {
      RecordCaptureBreak.forget(database, TOPICS_CREATED);
    }
    return changes;
  }

  /// Without passwords.
  @Override
  public String toString() {
    return "Install[" + database + ", " + publicSchema + ", slot=" + slot + ", " + topics + "]";
  }
}
