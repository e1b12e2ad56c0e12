package org.pgoffload.launcher;

import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.RecordPrimary;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Settings;
import org.pgoffload.protocol.TopicNames;
import picocli.CommandLine.Option;

/// A command that is configured by the environment. Its options stand for variables of the
/// environment, and win over them.
abstract class ConfiguredCommand extends PgoffloadCommand {
  @Option(
      names = "--database-url",
      paramLabel = "URI",
      description =
          "postgresql://user:password@host:port/database; default: the part's own variable, DATABASE_URL,"
              + " else PGHOST and the like. Other users of the machine can see an option in the process"
              + " list: leave the password to PGPASSWORD or a file.")
  private @Nullable String databaseUrl;

  @Option(
      names = "--kafka",
      paramLabel = "HOST:PORT",
      description = "Kafka's bootstrap servers; default: KAFKA_BOOTSTRAP_SERVERS.")
  private @Nullable String kafka;

  @Option(
      names = "--topic-prefix",
      paramLabel = "PREFIX",
      description =
          "What all topics' names start with; default: PGOFFLOAD_TOPIC_PREFIX, else pgoffload.")
  private @Nullable String topicPrefix;

  @Option(
      names = "--slot",
      paramLabel = "NAME",
      description = "The replication slot; default: PGOFFLOAD_SLOT, else pgoffload.")
  private @Nullable String slot;

  Settings settings() {
    return new Settings(over(System.getenv()));
  }

  /// The database's address, for a command that needs nothing else.
  final DatabaseAddress database() {
    var settings = settings();
    var database = settings.database(null);
    settings.check();
    return Objects.requireNonNull(database);
  }

  /// The address of the server that a command may write to, alone: where Kafka is configured, the
  /// recorded primary.
  final DatabaseAddress primary() {
    return server(RecordPrimary::own);
  }

  /// The address of the one server that takes writes, for a command whose login need not be the
  /// owner's: the record is not for it to read.
  final DatabaseAddress writable() {
    return RecordPrimary.only(database());
  }

  /// The address of the copy that is adopted, alone.
  final DatabaseAddress copy() {
    return server(RecordPrimary::copy);
  }

  /// Kafka's client properties, or null where Kafka is not configured.
  static @Nullable Map<String, Object> kafka(Settings settings) {
    return settings.secret("KAFKA_BOOTSTRAP_SERVERS") == null ? null : settings.kafka();
  }

  private interface Choice {
    DatabaseAddress of(DatabaseAddress database, Map<String, Object> kafka, TopicNames topics);
  }

  private DatabaseAddress server(Choice choice) {
    var settings = settings();
    var database = settings.database(null);
    var topics = settings.topics();
    var kafka = kafka(settings);
    settings.check();
    var address = Objects.requireNonNull(database);
    return kafka == null ? RecordPrimary.only(address) : choice.of(address, kafka, topics);
  }

  private Map<String, String> over(Map<String, String> environment) {
    var merged = new TreeMap<>(environment);
    if (databaseUrl != null) {
      merged.keySet().removeIf(name -> name.contains("DATABASE_URL"));
      merged.put("DATABASE_URL", databaseUrl);
    }
    put(merged, "KAFKA_BOOTSTRAP_SERVERS", kafka);
    put(merged, "PGOFFLOAD_TOPIC_PREFIX", topicPrefix);
    put(merged, "PGOFFLOAD_SLOT", slot);
    return merged;
  }

  private static void put(Map<String, String> environment, String name, @Nullable String value) {
    if (value != null) {
      environment.put(name, value);
    }
  }
}
