package org.pgoffload.dev.faults.installation;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.pgoffload.dev.servers.kafka.BrokerOptions;
import org.pgoffload.dev.servers.kafka.KafkaCluster;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;

/// A whole installation in which every part is a process of its own: PostgreSQL, the broker,
/// producer, two workers and results, with a stub in the place of the model.
///
/// Longer than 300 lines because it starts, describes and mends each of these processes.
public final class Installation implements AutoCloseable {
  static final String DATABASE = "app";
  static final String APPLICATION = "app";
  public static final String SLOT = "pgoffload";

  /// Calls that hang are given up within the run.
  public static final Duration SHORT_CALLS = Duration.ofSeconds(15);

  /// None is given up because the machine is busy.
  public static final Duration LONG_CALLS = Duration.ofMinutes(5);

  private static final Map<String, String> UNENCRYPTED = Map.of("sslmode", "disable");

  private final Place place;
  private final Path directory;
  private final PartCommand command;

  /// Of every role: other users of the machine can reach the port too.
  private final Secret password = Secret.of(UUID.randomUUID().toString());

  private final StubVendor stub = new StubVendor();
  private final Servers servers;
  private final Part producer;
  private final Part results;
  private final Part worker1;
  private final Part worker2;
  private boolean linked;
  private Duration callTimeout = SHORT_CALLS;

  private Installation(Place place, PartCommand command) {
    this.place = place;
    this.directory = place.directory();
    this.command = command;
    this.servers = new Servers(place, password.reveal(), stub.port());
    producer = part("producer", "producer", List.of("Capturing from"));
    results = part("results", "results", List.of("Writing results"));
    worker1 = worker("worker-a");
    worker2 = worker("worker-b");
  }

  /// Where an installation lives.
  ///
  /// @param directory of outputs and certificates
  /// @param postgres PostgreSQL's directory
  /// @param kafka the broker's directory, or that above all of them
  /// @param shape the servers
  public record Place(Path directory, Path postgres, Path kafka, Shape shape) {
    /// With all servers below one directory.
    public static Place in(Path directory, Shape shape) {
      return new Place(directory, directory.resolve("postgres"), directory.resolve("kafka"), shape);
    }

    /// The directory of each broker.
    public List<Path> brokers() {
      return shape.brokers() == 1
          ? List.of(kafka)
          : KafkaCluster.kept(kafka).stream().map(BrokerOptions::directory).toList();
    }
  }

  /// Starts everything and returns once all parts do their work.
  public static Installation start(Place place, PartCommand command, Consumer<String> say)
      throws SQLException {
    var installation = new Installation(place, command);
    try {
      installation.servers.startPostgres();
      installation.servers.startBroker();
      installation.createDatabase();
      installation.install();
      installation.createRoles();
      installation.servers.databases().startStandby();
      say.accept("PostgreSQL and Kafka run in " + place.directory());
      installation.heal();
      installation.servers.databases().awaitStandby();
      say.accept("producer, results and two workers run");
      return installation;
    } catch (SQLException | RuntimeException e) {
      installation.close();
      throw e;
    }
  }

  /// One more part, not started yet.
  public Part part(String name, String verb, List<String> ready) {
    return new Part(name, verb, ready, command, directory, () -> environment(verb));
  }

  /// One more worker, not started yet. It is ready when it shares the partitions with the others.
  public Part worker(String name) {
    return part(
        name,
        "worker",
        List.of("Reading from [pgoffload.requests.llm", "Reading from [pgoffload.requests.sql"));
  }

  public Servers servers() {
    return servers;
  }

  public Links links() {
    return servers.links();
  }

  public StubVendor stub() {
    return stub;
  }

  public Part producer() {
    return producer;
  }

  public Part results() {
    return results;
  }

  public List<Part> workers() {
    return List.of(worker1, worker2);
  }

  /// All parts.
  public List<Part> parts() {
    return List.of(producer, results, worker1, worker2);
  }

  public TopicNames topics() {
    return new TopicNames(TopicNames.DEFAULT_PREFIX);
  }

  /// Where PostgreSQL's files are.
  public Path postgresDirectory() {
    return place.postgres();
  }

  /// Where the files of the broker are, or of the first of three.
  public Path kafkaDirectory() {
    return place.brokers().getFirst();
  }

  /// The superuser's address, past all links: that of the server that takes writes now.
  public DatabaseAddress admin() {
    return adminOf(servers.databases().primaryPort());
  }

  /// The superuser's address on one of the servers.
  public DatabaseAddress adminOf(int port) {
    return new DatabaseAddress("127.0.0.1", port, DATABASE, "postgres", password, UNENCRYPTED);
  }

  /// As the parts know it: all servers, of which they find the one that takes writes.
  private DatabaseAddress allServers() {
    var admin = admin();
    return new DatabaseAddress(
        hosts("127.0.0.1"), admin.database(), admin.user(), admin.password(), admin.parameters());
  }

  private List<DatabaseServer> hosts(String host) {
    return servers.databases().ports().stream()
        .map(port -> new DatabaseServer(host, port))
        .toList();
  }

  /// The address of the role that asks, past all links.
  public DatabaseAddress application() {
    return admin().as(APPLICATION, password);
  }

  /// Runs `pgoffload install`, which is safe to repeat.
  ///
  /// @return what it said
  public String install() {
    var output = directory.resolve("install.log");
    var process = PartProcess.start(command, List.of("install"), environment(), output);
    if (!process.awaitExit(Duration.ofMinutes(2))) {
      process.kill();
    }
    if (!process.output().contains("Installed into")
        && !process.output().contains("Nothing to do")) {
      throw new FaultsException("pgoffload install failed:\n" + process.output());
    }
    return process.output();
  }

  /// From now on parts are started so that they reach everything through links, or directly, and
  /// give a call to the model up after so long; those that run otherwise are ended.
  public void startPartsWith(boolean links, Duration longestCall) {
    if (linked != links || !callTimeout.equals(longestCall)) {
      parts().forEach(Part::terminate);
      linked = links;
      callTimeout = longestCall;
    }
  }

  /// Makes everything whole again: servers and parts run, the stub answers, the links pass.
  public void heal() {
    stub.behave(StubVendor.Manner.USUAL);
    links().all().forEach(link -> link.become(Link.State.PASSING));
    servers.startPostgres();
    servers.startBroker();
    for (var part : parts()) {
      if (part.runs()) {
        part.process().thaw();
      } else {
        part.start();
      }
    }
    parts().forEach(Part::awaitReady);
  }

  private Map<String, String> environment() {
    var environment = new TreeMap<String, String>();
    var links = links();
    environment.put("DATABASE_URL", allServers().uri());
    environment.put(
        "PGOFFLOAD_PRODUCER_DATABASE_URL", login("producer", links.producerToPostgres()));
    environment.put("PGOFFLOAD_WORKER_DATABASE_URL", login("worker", links.workersToPostgres()));
    environment.put("PGOFFLOAD_RESULTS_DATABASE_URL", login("results", links.resultsToPostgres()));
    var login = servers.login();
    environment.put(
        "PGOFFLOAD_SQL_DATABASE_URL",
        new TaskDatabase(
                linked
                    ? List.of(new DatabaseServer(login.host(), links.tasksToPostgres().port()))
                    : hosts(login.host()),
                DATABASE,
                login.parameters())
            .uri());
    environment.put("KAFKA_BOOTSTRAP_SERVERS", servers.bootstrapServers());
    // the least that this broker takes: a killed worker's partitions move sooner
    environment.put("KAFKA_SESSION_TIMEOUT_MS", "3000");
    environment.put("PGOFFLOAD_STATE_DIR", directory.resolve("results-state").toString());
    environment.put("LLM_PROVIDER", "openai");
    environment.put("OPENAI_API_KEY", StubVendor.KEY);
    int stubPort = linked ? links.workersToStub().port() : stub.port();
    environment.put("OPENAI_BASE_URL", "http://127.0.0.1:" + stubPort + "/v1");
    environment.put("LLM_CALL_TIMEOUT", callTimeout.toSeconds() + "s");
    environment.put("LLM_MAX_TRIES", "20");
    environment.put("LLM_MAX_RETRY_WAIT", "2s");
    return environment;
  }

  /// The environment of one part, which differs from the others' in its way to Kafka.
  private Map<String, String> environment(String part) {
    var environment = new TreeMap<>(environment());
    if (linked) {
      var link =
          switch (part) {
            case "producer" -> links().producerToKafka();
            case "results" -> links().resultsToKafka();
            default -> links().workersToKafka();
          };
      environment.put("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:" + link.port());
    }
    return environment;
  }

  private String login(String part, Link link) {
    var role = allServers().as("pgoffload_" + part, password);
    return (linked
            ? new DatabaseAddress(
                role.host(),
                link.port(),
                role.database(),
                role.user(),
                role.password(),
                role.parameters())
            : role)
        .uri();
  }

  private void createDatabase() throws SQLException {
    try (var connection = admin().in("postgres").connect("faults")) {
      Sql.execute(connection, "create database " + DATABASE);
    }
  }

  private void createRoles() throws SQLException {
    try (var connection = admin().connect("faults")) {
      for (var role : List.of("pgoffload_producer", "pgoffload_worker", "pgoffload_results")) {
        Sql.execute(
            connection, "alter role " + role + " login password '" + password.reveal() + "'");
      }
      Sql.execute(
          connection, "create role " + APPLICATION + " login password '" + password.reveal() + "'");
      Sql.execute(connection, "grant llm_user, pgbackground_role to " + APPLICATION);
      Sql.execute(connection, "alter role " + APPLICATION + " set synchronous_commit = 'on'");
      Sql.execute(connection, "create schema app authorization " + APPLICATION);
    }
    try (var connection = application().connect("faults")) {
      createEffects(connection);
    }
  }

  /// Where the tasks leave their traces. Without a key, so that a second time is seen.
  private static void createEffects(Connection connection) throws SQLException {
    Sql.execute(connection, "create table app.effect (tag text not null)");
    Sql.execute(
        connection,
        """
        create procedure app.leave_and_commit(tag text, pause double precision) language plpgsql as $$
        begin
          insert into app.effect values (tag);
          commit;
          perform pg_sleep(pause);
        end
        $$\
        """);
  }

  @Override
  public void close() {
    Stream.of(producer, results, worker1, worker2)
        .filter(Part::runs)
        .forEach(part -> part.process().kill());
    servers.close();
    stub.close();
  }
}
