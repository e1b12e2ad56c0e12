package org.pgoffload.dev.tests;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.pgoffload.dev.launcher.LocalInstallation;
import org.pgoffload.dev.launcher.LocalOptions;
import org.pgoffload.dev.launcher.Part;
import org.pgoffload.launcher.InstallCommand;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Settings;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.wait.strategy.Wait;
import org.testcontainers.utility.DockerImageName;

/// PostgreSQL and Kafka in containers of the images that docker-compose.yml names, the parts in
/// this JVM. The worker logs in for background SQL by a password file: behind Docker's translation
/// of addresses everybody on this machine comes from the same one, so that no rule of pg_hba.conf
/// could ask the worker alone for a certificate.
final class OnContainers implements TestInstallation {
  private static final String DATABASE = "app";
  private static final Secret PASSWORD = Secret.of("of a test alone");
  private static final int POSTGRES_PORT = 5432;
  private static final int KAFKA_PORT = 29092;

  /// What pgjdbc reads instead of PGPASSFILE, which is the environment of the whole JVM.
  private static final String PASSWORD_FILE = "org.postgresql.pgpassfile";

  private final Deque<AutoCloseable> opened = new ArrayDeque<>();
  private final DatabaseAddress admin;
  private final Map<String, String> environment;
  private final LocalInstallation parts;

  /// What the service loader finds.
  public static final class Start implements Servers {
    @Override
    public TestInstallation start(Path directory, Map<String, String> environment)
        throws InterruptedException {
      assumeTrue(
          DockerClientFactory.instance().isDockerAvailable(),
          "-Pcontainers needs a Docker engine, and none answers (DOCKER_HOST, /var/run/docker.sock)");
      return new OnContainers(directory, environment);
    }
  }

  private OnContainers(Path directory, Map<String, String> more) throws InterruptedException {
    this.environment = new TreeMap<>(more);
    try {
      var postgres = started(postgres());
      var kafka = kafka();
      admin =
          new DatabaseAddress(
              postgres.getHost(),
              postgres.getMappedPort(POSTGRES_PORT),
              DATABASE,
              "postgres",
              PASSWORD,
              Map.of("sslmode", "disable"));
      environment.put("KAFKA_BOOTSTRAP_SERVERS", kafka);
      environment.put("DATABASE_URL", admin.uri());
      for (var part : List.of("PRODUCER", "WORKER", "RESULTS")) {
        environment.put("PGOFFLOAD_" + part + "_PASSWORD", PASSWORD.reveal());
        environment.put(
            "PGOFFLOAD_" + part + "_DATABASE_URL",
            admin.as("pgoffload_" + part.toLowerCase(java.util.Locale.ROOT), PASSWORD).uri());
      }
      environment.put(
          Settings.TASK_DATABASE,
          new TaskDatabase(admin.host(), admin.port(), DATABASE, admin.parameters()).uri());
      InstallCommand.install(new Settings(environment), false, null).run(step -> {});
      createApplication();
      writePasswordFile(directory.resolve("passwords"));
      parts =
          LocalInstallation.start(
              new LocalOptions(
                  directory,
                  false,
                  0,
                  0,
                  EnumSet.complementOf(EnumSet.of(Part.POSTGRES, Part.KAFKA)),
                  environment),
              step -> {});
      opened.push(parts);
    } catch (InterruptedException | RuntimeException e) {
      close();
      throw e;
    }
  }

  private static GenericContainer<?> postgres() {
    return new GenericContainer<>(DockerImageName.parse("postgres:18"))
        .withEnv("POSTGRES_PASSWORD", PASSWORD.reveal())
        .withEnv("POSTGRES_DB", DATABASE)
        .withCommand("postgres", "-cwal_level=logical", "-cmax_connections=200")
        .withExposedPorts(POSTGRES_PORT)
        // over TCP: the server of the first start's preparation listens on its socket alone
        .waitingFor(
            Wait.forSuccessfulCommand("pg_isready -h 127.0.0.1 -U postgres")
                .withStartupTimeout(Duration.ofMinutes(2)));
  }

  /// A broker says at which address it is reached, and that is known only once it runs: so it waits
  /// for a file with its settings.
  private String kafka() {
    var script = "/tmp/start.sh";
    var kafka =
        started(
            new GenericContainer<>(DockerImageName.parse("apache/kafka:4.3.1"))
                .withExposedPorts(KAFKA_PORT)
                .waitingFor(Wait.forLogMessage("waits for its settings\n", 1))
                .withCommand(
                    "bash",
                    "-c",
                    "echo waits for its settings; while [ ! -f "
                        + script
                        + " ]; do sleep 0.1; done; . "
                        + script));
    var bootstrap = kafka.getHost() + ":" + kafka.getMappedPort(KAFKA_PORT);
    var settings = new StringBuilder();
    kafkaSettings(bootstrap)
        .forEach((name, value) ->
            settings.append("export ").append(name).append("='").append(value).append("'\n"));
    settings.append("exec /etc/kafka/docker/run\n");
    kafka.copyFileToContainer(
        org.testcontainers.images.builder.Transferable.of(settings.toString(), 0644), script);
    Wait.forLogMessage(".*Kafka Server started.*", 1)
        .withStartupTimeout(Duration.ofMinutes(2))
        .waitUntilReady(kafka);
    return bootstrap;
  }

  /// As in docker-compose.yml, which has the reasons.
  private static Map<String, String> kafkaSettings(String bootstrap) {
    return Map.ofEntries(
        Map.entry("KAFKA_NODE_ID", "1"),
        Map.entry("KAFKA_PROCESS_ROLES", "broker,controller"),
        Map.entry("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093"),
        // its own for what the broker tells itself, the marks of transactions: the mapped port is
        // not there inside the container
        Map.entry(
            "KAFKA_LISTENERS",
            "BROKER://localhost:9092,CLIENTS://:" + KAFKA_PORT + ",CONTROLLER://localhost:9093"),
        Map.entry("KAFKA_ADVERTISED_LISTENERS", "BROKER://localhost:9092,CLIENTS://" + bootstrap),
        Map.entry(
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
            "BROKER:PLAINTEXT,CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        Map.entry("KAFKA_INTER_BROKER_LISTENER_NAME", "BROKER"),
        Map.entry("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
        Map.entry("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false"),
        Map.entry("KAFKA_DEFAULT_REPLICATION_FACTOR", "1"),
        Map.entry("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
        Map.entry("KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS", "4"),
        Map.entry("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1"),
        Map.entry("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1"),
        Map.entry("KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS", "4"),
        Map.entry("KAFKA_GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS", "3000"),
        Map.entry("KAFKA_GROUP_CONSUMER_SESSION_TIMEOUT_MS", "3000"),
        Map.entry("KAFKA_GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS", "500"),
        Map.entry("KAFKA_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS", "1000"),
        Map.entry("KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS", "3000"),
        Map.entry("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0"),
        Map.entry("KAFKA_MESSAGE_MAX_BYTES", "17825792"),
        Map.entry("KAFKA_REPLICA_FETCH_MAX_BYTES", "17825792"),
        Map.entry("KAFKA_HEAP_OPTS", "-Xmx512m"));
  }

  private GenericContainer<?> started(GenericContainer<?> container) {
    opened.push(container);
    container.start();
    return container;
  }

  private void createApplication() {
    try (var connection = admin.connect("test");
        var statement = connection.createStatement()) {
      statement.execute("create role app login password '" + PASSWORD.reveal() + "'");
      statement.execute("grant llm_user, pgbackground_role to app");
      statement.execute("create schema app authorization app");
    } catch (SQLException e) {
      throw new IllegalStateException("the role app cannot be made", e);
    }
  }

  /// With the passwords of all roles that the tests let launch.
  private void writePasswordFile(Path file) {
    try {
      Files.createDirectories(file.getParent());
      Files.writeString(
          file,
          "*:*:*:app:"
              + PASSWORD.reveal()
              + "\n*:*:*:mallory:"
              + BackgroundSqlTest.OF_ROLES
              + "\n*:*:*:stranger:"
              + BackgroundSqlTest.OF_ROLES
              + "\n");
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    System.setProperty(PASSWORD_FILE, file.toString());
    opened.push(() -> System.clearProperty(PASSWORD_FILE));
  }

  @Override
  public DatabaseAddress admin() {
    return admin;
  }

  @Override
  public DatabaseAddress application() {
    return admin.as("app", PASSWORD);
  }

  @Override
  public String kafkaBootstrap() {
    return environment.get("KAFKA_BOOTSTRAP_SERVERS");
  }

  @Override
  public TopicNames topics() {
    return new Settings(environment).topics();
  }

  @Override
  public Map<String, String> joiningEnvironment() {
    return environment;
  }

  @Override
  public boolean hasCertificates() {
    return false;
  }

  @Override
  public int managementPort() {
    return parts.managementPort();
  }

  @Override
  public void close() {
    while (!opened.isEmpty()) {
      try {
        opened.pop().close();
      } catch (Exception e) {
        throw new IllegalStateException("the installation was not ended in order", e);
      }
    }
  }
}
