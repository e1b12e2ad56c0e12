package org.pgoffload.dev.launcher;

import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.ConsoleApp;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.WorkerLogin;
import org.pgoffload.dev.servers.kafka.BrokerOptions;
import org.pgoffload.dev.servers.kafka.BrokerProcess;
import org.pgoffload.launcher.InstallCommand;
import org.pgoffload.launcher.ReadConfiguration;
import org.pgoffload.launcher.ReadConsoleConfiguration;
import org.pgoffload.operations.Install;
import org.pgoffload.operations.InstallLogins;
import org.pgoffload.operations.MaintenanceApp;
import org.pgoffload.operations.credentials.Certificates;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Query;
import org.pgoffload.platform.Settings;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.platform.hosting.Observe;
import org.pgoffload.platform.hosting.RunUntilShutdown;
import org.pgoffload.producer.ProducerApp;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.results.ResultsApp;
import org.pgoffload.schema.InstallException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A whole installation on one machine: PostgreSQL and Kafka as child processes, the parts in this
/// JVM. Servers and parts that are not started here run elsewhere; the environment says where.
///
/// Longer than 300 lines because the order of the start, and the reverse order of the end, are to
/// be read in one place.
///
/// Safe to close from another thread.
public final class LocalInstallation implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(LocalInstallation.class);

  static final String DATABASE = "app";
  public static final String APPLICATION_ROLE = "app";

  /// Nothing here leaves the machine, and the driver would encrypt wherever the server can, which
  /// costs each new session a handshake.
  private static final Map<String, String> UNENCRYPTED = Map.of("sslmode", "disable");

  private static final Duration PATIENCE_WITH_PARTS = Duration.ofSeconds(6);

  private final Deque<AutoCloseable> servers = new ArrayDeque<>();
  private final List<AutoCloseable> parts = new ArrayList<>();
  private final LocalOptions options;
  private final TreeMap<String, String> environment;
  private @Nullable DatabaseAddress admin;
  private @Nullable DatabaseAddress application;
  private @Nullable LocalWorkers workers;
  private int managementPort = -1;
  private @Nullable String consoleUrl;
  private boolean closed;

  private LocalInstallation(LocalOptions options) {
    this.options = options;
    this.environment = new TreeMap<>(options.environment());
  }

  /// Starts the parts in their order and returns once each answers.
  ///
  /// @param say is told each step
  public static LocalInstallation start(LocalOptions options, Consumer<String> say)
      throws InterruptedException {
    var installation = new LocalInstallation(options);
    try (var guard = new RunUntilShutdown(installation)) {
      installation.startParts(say);
      guard.disarm();
      return installation;
    }
  }

  private void startParts(Consumer<String> say) throws InterruptedException {
    var directory = Directory.create(options.directory());
    if (options.parts().contains(Part.POSTGRES) && PostgresServer.runsUnderAnotherAccount()) {
      Directory.letPass(directory);
    }
    if (!options.keepData()) {
      serve(() -> Directory.delete(directory));
    }
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      // the broker's start takes as long as that of PostgreSQL and the installation of the schema
      var kafka =
          options.parts().contains(Part.KAFKA)
              ? CompletableFuture.supplyAsync(() -> startKafka(directory, say), threads)
              : null;
      var changes = new ArrayList<String>();
      if (options.parts().contains(Part.POSTGRES)) {
        startPostgres(directory, say);
        changes.addAll(installInto(admin(), directory, say));
      }
      if (kafka != null) {
        environment.put("KAFKA_BOOTSTRAP_SERVERS", joined(kafka));
        // the least that this broker takes: a killed worker's partitions move sooner
        environment.putIfAbsent("KAFKA_SESSION_TIMEOUT_MS", "3000");
      }
      if (admin != null) {
        changes.addAll(install(!environment.containsKey("KAFKA_BOOTSTRAP_SERVERS")).runInKafka());
        say.accept(
            changes.isEmpty()
                ? "schema is up to date"
                : "installed: " + changes.size() + " changes");
        changes.forEach(change -> LOG.info("{}", change));
      }
    }
    environment.putIfAbsent(
        "PGOFFLOAD_STATE_DIR", Directory.hidden(directory.resolve("results-state")).toString());
    var settings = new Settings(environment);
    // all configurations before the first part: a part must not start beside one that cannot
    var producer =
        options.parts().contains(Part.PRODUCER) ? ReadConfiguration.producer(settings) : null;
    var results =
        options.parts().contains(Part.RESULTS) ? ReadConfiguration.results(settings) : null;
    var maintenance =
        options.parts().contains(Part.MAINTENANCE) ? ReadConfiguration.maintenance(settings) : null;
    var worker = options.parts().contains(Part.WORKER) ? ReadConfiguration.worker(settings) : null;
    // a free port: there may be several installations on a machine
    environment.putIfAbsent("PGOFFLOAD_CONSOLE_ADDRESS", "127.0.0.1:0");
    var console =
        options.parts().contains(Part.CONSOLE)
            ? ReadConsoleConfiguration.from(new Settings(environment))
            : null;
    settings.check();
    var observe = serve(Observe.start(settings, "dev"));
    managementPort = observe.port();
    var telemetry = observe.telemetry();
    var resultsApp = results == null ? null : opened(ResultsApp.start(results, telemetry));
    var producerApp = producer == null ? null : opened(ProducerApp.start(producer, telemetry));
    if (worker != null) {
      workers = opened(new LocalWorkers(Map.copyOf(environment), observe));
      workers.start(worker);
      say.accept(
          "worker asks "
              + worker.providers().primary().name()
              + " (model "
              + worker.providers().primary().defaultModel()
              + ")");
    }
    if (producerApp != null) {
      observe.tellOf("producer", producerApp::health);
      producerApp.awaitCapturing(Duration.ofSeconds(60));
      say.accept("producer captures");
    }
    if (resultsApp != null) {
      observe.tellOf("results", resultsApp::health);
      resultsApp.awaitRunning(Duration.ofSeconds(60));
      say.accept("results writes back");
    }
    if (maintenance != null) {
      var maintenanceApp = opened(MaintenanceApp.start(maintenance, telemetry));
      observe.tellOf("maintenance", maintenanceApp::health);
    }
    if (console != null) {
      var consoleApp = opened(ConsoleApp.start(console));
      observe.tellOf("console", consoleApp::health);
      consoleUrl = consoleApp.url();
    }
  }

  private void startPostgres(Path directory, Consumer<String> say) {
    var credentials = LocalCredentials.of(directory);
    var taskLogin =
        WorkerLogin.with(Certificates.in(directory.resolve("certificates")).directory());
    var postgres =
        PostgresServer.start(
            taskLogin.allowedBy(
                PostgresOptions.kept(
                        directory.resolve("postgres"), credentials.password("postgres").reveal())
                    .withPort(options.port())
                    .withEndWithJvm(false)));
    serve(
        new KeepRunning<>(
            "PostgreSQL",
            postgres,
            PostgresServer::isRunning,
            ended -> {
              ended.close();
              return PostgresServer.start(ended.options());
            },
            PostgresServer::close));
    say.accept("PostgreSQL listens on port " + postgres.port());
    admin =
        new DatabaseAddress(
            "127.0.0.1",
            postgres.port(),
            DATABASE,
            "postgres",
            credentials.password("postgres"),
            UNENCRYPTED);
    application = admin.as(APPLICATION_ROLE, credentials.password(APPLICATION_ROLE));
    // they are another server's
    environment.keySet().removeAll(DatabaseAddress.VARIABLES);
    environment.put("DATABASE_URL", admin.uri());
    for (var part : List.of("producer", "worker", "results")) {
      var role = "pgoffload_" + part;
      environment.put(
          "PGOFFLOAD_" + part.toUpperCase(java.util.Locale.ROOT) + "_DATABASE_URL",
          admin.as(role, credentials.password(role)).uri());
    }
    environment.put(
        Settings.TASK_DATABASE,
        new TaskDatabase(taskLogin.host(), postgres.port(), DATABASE, taskLogin.parameters())
            .uri());
  }

  /// @return where it listens
  private String startKafka(Path directory, Consumer<String> say) {
    var broker =
        BrokerProcess.start(
            BrokerOptions.kept(Directory.hidden(directory.resolve(Directory.KAFKA)))
                .withPorts(options.kafkaPort(), 0)
                .withEndWithJvm(false));
    serve(
        new KeepRunning<>(
            "Kafka",
            broker,
            BrokerProcess::isRunning,
            ended -> {
              ended.close();
              return BrokerProcess.start(ended.options());
            },
            BrokerProcess::close));
    say.accept("Kafka listens on " + broker.bootstrapServers());
    return broker.bootstrapServers();
  }

  private static <T> T joined(CompletableFuture<T> future) {
    try {
      return future.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException fault ? fault : e;
    }
  }

  private List<String> installInto(DatabaseAddress database, Path directory, Consumer<String> say) {
    createDatabase(database);
    var changes = install(true).runInDatabase(say);
    createRoles(database, LocalCredentials.of(directory));
    return changes;
  }

  private Install install(boolean noTopics) {
    return InstallCommand.install(new Settings(environment), noTopics, null);
  }

  private static void createDatabase(DatabaseAddress database) {
    try (var connection = database.in("postgres").connectAsPart("pgoffload dev")) {
      if (!Query.exists(connection, "select from pg_database where datname = ?", DATABASE)) {
        Query.execute(connection, "create database " + DATABASE);
      }
    } catch (SQLException e) {
      throw new InstallException(
          "database " + DATABASE + " could not be created: " + e.getMessage(), e);
    }
  }

  private static void createRoles(DatabaseAddress database, LocalCredentials credentials) {
    try (var connection = database.connectAsPart("pgoffload dev")) {
      if (!Query.exists(connection, "select from pg_roles where rolname = ?", APPLICATION_ROLE)) {
        Query.execute(connection, "create role " + APPLICATION_ROLE);
      }
      Query.execute(connection, "grant llm_user, pgbackground_role to " + APPLICATION_ROLE);
      // a schema of its own, which comes first in its search path
      Query.execute(
          connection,
          "create schema if not exists " + APPLICATION_ROLE + " authorization " + APPLICATION_ROLE);
    } catch (SQLException e) {
      throw new InstallException("the local roles could not be made: " + e.getMessage(), e);
    }
    InstallLogins.run(
        database,
        Stream.of("pgoffload_producer", "pgoffload_worker", "pgoffload_results", APPLICATION_ROLE)
            .collect(Collectors.toMap(role -> role, credentials::password)));
  }

  private <T extends AutoCloseable> T serve(T server) {
    keep(server, servers::push);
    return server;
  }

  private <T extends AutoCloseable> T opened(T part) {
    keep(part, parts::add);
    return part;
  }

  /// A part that comes up while the installation is being ended is ended as well.
  private void keep(AutoCloseable opened, Consumer<AutoCloseable> keeper) {
    synchronized (this) {
      if (!closed) {
        keeper.accept(opened);
        return;
      }
    }
    closeQuietly(opened);
    throw new IllegalStateException("the installation was ended while it was starting");
  }

  /// The superuser's address.
  public DatabaseAddress admin() {
    return Objects.requireNonNull(admin, "PostgreSQL is not among the parts");
  }

  /// The ordinary application role's address.
  public DatabaseAddress application() {
    return Objects.requireNonNull(application, "PostgreSQL is not among the parts");
  }

  /// Its workers.
  LocalWorkers workers() {
    return Objects.requireNonNull(workers, "the worker is not among the parts");
  }

  /// The superuser's URI for other programs, which choose for themselves whether to encrypt.
  public String adminUri() {
    return admin().withParameters(Map.of()).uri();
  }

  /// The ordinary application role's URI for other programs.
  public String applicationUri() {
    return application().withParameters(Map.of()).uri();
  }

  /// Where the management address listens; -1 if nothing does.
  public int managementPort() {
    return managementPort;
  }

  /// The address of the console; null where there is none.
  public @Nullable String consoleUrl() {
    return consoleUrl;
  }

  boolean hasPostgres() {
    return admin != null;
  }

  public String kafkaBootstrap() {
    return environment.getOrDefault("KAFKA_BOOTSTRAP_SERVERS", "");
  }

  public TopicNames topics() {
    return new Settings(environment).topics();
  }

  /// The environment with which other processes join: where everything is, and nothing else.
  public Map<String, String> joiningEnvironment() {
    var joining = new TreeMap<String, String>();
    environment.forEach((name, value) -> {
      if (name.equals("DATABASE_URL")
          || name.equals("PGOFFLOAD_TOPIC_PREFIX")
          || name.equals("PGOFFLOAD_SLOT")
          || name.equals("LLM_PROVIDER")
          || (name.startsWith("PGOFFLOAD_") && name.endsWith("_DATABASE_URL"))
          || DatabaseAddress.VARIABLES.contains(name)
          || name.startsWith("KAFKA_")) {
        joining.put(name, value);
      }
    });
    return joining;
  }

  /// Ends the parts at the same time, then the servers that they use, within ten seconds in all.
  @Override
  public void close() {
    Deque<AutoCloseable> closing;
    List<AutoCloseable> using;
    synchronized (this) {
      if (closed) {
        return;
      }
      closed = true;
      closing = new ArrayDeque<>(servers);
      using = List.copyOf(parts);
    }
    var ending =
        using.stream().map(part -> Thread.ofVirtual().start(() -> closeQuietly(part))).toList();
    var deadline = Instant.now().plus(PATIENCE_WITH_PARTS);
    for (var thread : ending) {
      try {
        if (!thread.join(Duration.between(Instant.now(), deadline).plusMillis(1))) {
          LOG.warn("A part did not end in time; what it left is taken up by the next one");
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
    while (!closing.isEmpty()) {
      closeQuietly(closing.pop());
    }
  }

  private static void closeQuietly(AutoCloseable opened) {
    try {
      opened.close();
    } catch (Exception e) {
      LOG.error("{} could not be ended", opened.getClass().getSimpleName(), e);
    }
  }
}
