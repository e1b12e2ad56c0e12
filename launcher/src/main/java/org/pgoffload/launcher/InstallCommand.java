package org.pgoffload.launcher;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.Install;
import org.pgoffload.operations.InstallSlot;
import org.pgoffload.operations.InstallTopics;
import org.pgoffload.operations.checks.ClientCheck;
import org.pgoffload.operations.checks.StandbyCheck;
import org.pgoffload.platform.Settings;
import org.pgoffload.protocol.Secret;
import org.pgoffload.schema.InstallSchema;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload install`.
@Command(
    name = "install",
    description =
        "Installs or upgrades the schema, the replication slot and the topics. Safe to run again.")
public final class InstallCommand extends ConfiguredCommand {
  @Option(
      names = "--no-topics",
      description = "Leave Kafka alone: the topics are made by somebody else.")
  private boolean noTopics;

  @Option(
      names = "--pg-background-api",
      paramLabel = "1|2",
      description =
          "What pg_background_launch(text, integer) returns from now on: 1 the pid, as in pg_background 1.x (what a new installation does); 2 a handle, as in 2.x.")
  private @Nullable String pgBackgroundApi;

  @Option(
      names = "--set-client-check",
      description =
          "Have the server look whether the clients of waiting callers are still there: alter database … set"
              + " client_connection_check_interval, unless it is set already. For the database's owner.")
  private boolean setClientCheck;

  @Override
  public Integer call() {
    var out = out();
    var settings = settings();
    var install = install(settings, noTopics, pgBackgroundApi).onPrimary();
    var changes = new ArrayList<>(install.runInDatabase(out::println));
    changes.addAll(install.runInKafka());
    if (setClientCheck) {
      ClientCheck.set(install.database()).ifPresent(changes::add);
    }
    changes.forEach(out::println);
    out.println(
        changes.isEmpty()
            ? "Nothing to do: " + install.database() + " is up to date."
            : "Installed into " + install.database() + ".");
    if (!changes.isEmpty()) {
      out.println("Give a role the right to ask: grant llm_user to <role>;");
    }
    ClientCheck.advice(install.database()).ifPresent(out::println);
    install.topicsAdvice().ifPresent(out::println);
    StandbyCheck.advice(install.database(), install.slot()).ifPresent(out::println);
    out.flush();
    return 0;
  }

  /// The installation that the settings describe.
  ///
  /// @throws ConfigurationException with every problem
  public static Install install(
      Settings settings, boolean noTopics, @Nullable String pgBackgroundApi) {
    var database = settings.database(null);
    var topics = settings.topics();
    Map<String, Object> kafka = noTopics ? null : settings.kafka();
    int partitions =
        settings.integer("PGOFFLOAD_PARTITIONS", InstallTopics.DEFAULT_PARTITIONS, 1, 10_000);
    int replicationFactor = settings.integer("PGOFFLOAD_REPLICATION_FACTOR", -1, -1, 100);
    var patience = settings.duration("PGOFFLOAD_SLOT_TIMEOUT", Duration.ofSeconds(60));
    var publicSchema =
        settings.text("PGOFFLOAD_PUBLIC_SCHEMA", InstallSchema.DEFAULT_PUBLIC_SCHEMA);
    InstallSchema.publicSchemaProblem(publicSchema)
        .ifPresent(problem -> settings.problem("PGOFFLOAD_PUBLIC_SCHEMA " + problem));
    var slot = slot(settings);
    var logins = logins(settings);
    settings.check();
    return new Install(
        Objects.requireNonNull(database),
        publicSchema,
        pgBackgroundApi,
        slot,
        patience,
        logins,
        kafka == null
            ? null
            : new Install.Topics(kafka, topics, partitions, (short) replicationFactor));
  }

  /// Only those that are given: with certificates, or with logins of another name, there are none.
  private static Map<String, Secret> logins(Settings settings) {
    var logins = new TreeMap<String, Secret>();
    for (var part : List.of("PRODUCER", "WORKER", "RESULTS")) {
      var password = settings.secret("PGOFFLOAD_" + part + "_PASSWORD");
      if (password != null) {
        logins.put("pgoffload_" + part.toLowerCase(Locale.ROOT), password);
      }
    }
    return logins;
  }

  /// The replication slot's name.
  static String slot(Settings settings) {
    return settings.name(
        "PGOFFLOAD_SLOT",
        InstallSlot.DEFAULT_SLOT,
        "[a-z0-9_]{1,63}",
        "1 to 63 lower-case letters, digits and underscores");
  }
}
