package org.pgoffload.launcher;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.pgoffload.operations.MaintenanceConfiguration;
import org.pgoffload.platform.ConfigurationException;
import org.pgoffload.platform.Settings;
import org.pgoffload.platform.hosting.Version;
import org.pgoffload.producer.ProducerConfiguration;
import org.pgoffload.results.ResultsConfiguration;
import org.pgoffload.worker.WorkerConfiguration;
import org.pgoffload.worker.delivery.DeliverySettings;
import org.pgoffload.worker.llm.LlmSettings;
import org.pgoffload.worker.models.LlmProviders;
import org.pgoffload.worker.sql.SqlSettings;
import org.pgoffload.worker.sql.sessions.SqlLimits;
import org.pgoffload.worker.vendors.ProviderResolution;
import org.pgoffload.worker.vendors.ResolveProvider;

/// Makes each part's configuration of the environment.
public final class ReadConfiguration {
  private ReadConfiguration() {}

  /// The producer's configuration.
  ///
  /// @throws ConfigurationException with every problem
  public static ProducerConfiguration producer(Settings settings) {
    var database = settings.database("PRODUCER");
    var topics = settings.topics();
    var kafka = settings.kafka();
    var slot = InstallCommand.slot(settings);
    var pause = settings.duration("PGOFFLOAD_CAPTURE_PAUSE", ProducerConfiguration.DEFAULT_PAUSE);
    if (!ProducerConfiguration.isPause(pause)) {
      settings.problem("PGOFFLOAD_CAPTURE_PAUSE must be 1ms to 1s");
    }
    settings.check();
    try {
      return new ProducerConfiguration(
          Objects.requireNonNull(database), slot, topics, kafka, pause);
    } catch (IllegalArgumentException e) {
      throw new ConfigurationException(List.of(String.valueOf(e.getMessage())));
    }
  }

  /// The worker's configuration, with the providers that it asks.
  ///
  /// @throws ConfigurationException with every problem
  public static WorkerWithProviders worker(Settings settings) {
    var database = settings.database("WORKER");
    var sqlDatabase = settings.taskDatabase();
    var sqlLimits = sqlLimits(settings);
    var topics = settings.topics();
    var kafka = settings.kafka();
    int maxInFlight =
        settings.integer(
            "PGOFFLOAD_MAX_IN_FLIGHT", DeliverySettings.DEFAULT_MAX_IN_FLIGHT, 1, 1_000_000);
    long maxBytes =
        settings.number(
            "PGOFFLOAD_MAX_BYTES_IN_FLIGHT",
            DeliverySettings.DEFAULT_MAX_BYTES_IN_FLIGHT,
            1,
            Long.MAX_VALUE);
    int maxDeferred =
        settings.integer(
            "PGOFFLOAD_MAX_DEFERRED",
            Math.max(maxInFlight, LlmSettings.DEFAULT_MAX_DEFERRED),
            maxInFlight,
            10_000_000);
    var deferAfter = settings.duration("PGOFFLOAD_DEFER_AFTER", LlmSettings.DEFAULT_DEFER_AFTER);
    if (deferAfter.isZero()) {
      settings.problem("PGOFFLOAD_DEFER_AFTER must be longer than zero");
    }
    var calls = ReadCallSettings.from(settings);
    var drain = settings.duration("PGOFFLOAD_DRAIN_TIMEOUT", DeliverySettings.DEFAULT_DRAIN);
    var providers = providers(settings);
    try {
      settings.check();
    } catch (ConfigurationException e) {
      if (providers != null) {
        providers.close();
      }
      throw e;
    }
    return new WorkerWithProviders(
        new WorkerConfiguration(
            Objects.requireNonNull(database),
            new DeliverySettings(
                settings.text("PGOFFLOAD_WORKER_NAME", defaultWorkerName()),
                Version.text(),
                topics,
                kafka,
                maxInFlight,
                maxBytes,
                drain),
            new LlmSettings(maxDeferred, deferAfter, calls),
            sqlDatabase == null ? null : new SqlSettings(sqlDatabase, sqlLimits)),
        Objects.requireNonNull(providers));
  }

  private static SqlLimits sqlLimits(Settings settings) {
    var usual = SqlLimits.DEFAULT;
    int connections =
        settings.integer("PGOFFLOAD_SQL_MAX_CONNECTIONS", usual.connections(), 1, 10_000);
    return new SqlLimits(
        connections,
        settings.integer(
            "PGOFFLOAD_SQL_MAX_CONNECTIONS_PER_ROLE",
            Math.min(usual.connectionsPerRole(), connections),
            1,
            connections),
        settings.duration("PGOFFLOAD_SQL_IDLE", usual.idle()));
  }

  /// The configuration of the results application.
  ///
  /// @throws ConfigurationException with every problem
  public static ResultsConfiguration results(Settings settings) {
    var database = settings.database("RESULTS");
    var topics = settings.topics();
    var kafka = settings.kafka();
    settings.check();
    return new ResultsConfiguration(
        Objects.requireNonNull(database),
        topics,
        kafka,
        Path.of(
            settings.text(
                "PGOFFLOAD_STATE_DIR",
                Path.of(System.getProperty("java.io.tmpdir"), "pgoffload-results").toString())));
  }

  /// The configuration of the upkeep.
  ///
  /// @throws ConfigurationException with every problem
  public static MaintenanceConfiguration maintenance(Settings settings) {
    var database = settings.database(null);
    var topics = settings.topics();
    var kafka = settings.kafka();
    var interval =
        settings.duration(
            "PGOFFLOAD_MAINTENANCE_INTERVAL", MaintenanceConfiguration.DEFAULT_INTERVAL);
    if (interval.isZero()) {
      settings.problem("PGOFFLOAD_MAINTENANCE_INTERVAL must be longer than zero");
    }
    settings.check();
    return new MaintenanceConfiguration(Objects.requireNonNull(database), topics, kafka, interval);
  }

  /// A worker's configuration, and what it asks.
  public record WorkerWithProviders(WorkerConfiguration worker, LlmProviders providers) {}

  private static @org.jspecify.annotations.Nullable LlmProviders providers(Settings settings) {
    return switch (ResolveProvider.from(settings.variables(), Clock.systemUTC())) {
      case ProviderResolution.Resolved resolved -> resolved.providers();
      case ProviderResolution.Unresolved unresolved -> {
        unresolved.problems().forEach(settings::problem);
        yield null;
      }
    };
  }

  /// Unique to this process, also where hosts and process ids are alike, as in containers.
  static String defaultWorkerName() {
    String host;
    try {
      host = InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      host = "worker";
    }
    var random = new byte[3];
    new SecureRandom().nextBytes(random);
    return host + "-" + ProcessHandle.current().pid() + "-" + HexFormat.of().formatHex(random);
  }

  /// The environment with which `echo` stands in for a provider, where nothing says which to ask.
  public static Map<String, String> withEchoIfLeftOpen(Map<String, String> environment) {
    if (!ResolveProvider.isLeftOpen(environment)) {
      return environment;
    }
    var withEcho = new java.util.TreeMap<>(environment);
    withEcho.put("LLM_PROVIDER", "echo");
    return withEcho;
  }
}
