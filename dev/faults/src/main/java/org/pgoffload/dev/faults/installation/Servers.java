package org.pgoffload.dev.faults.installation;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.servers.EmbeddedException;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.WorkerLogin;
import org.pgoffload.dev.servers.kafka.BrokerOptions;
import org.pgoffload.dev.servers.kafka.BrokerProcess;
import org.pgoffload.dev.servers.kafka.KafkaCluster;
import org.pgoffload.operations.credentials.Certificates;

/// PostgreSQL and the brokers of an installation, which come back at the same address with the same
/// data. Thread-safe.
public final class Servers implements AutoCloseable {
  /// The broker's listeners through which the parts reach it when they go through links.
  private static final List<String> LINKED = List.of("PRODUCER", "WORKERS", "RESULTS");

  private final Databases databases;
  private final List<BrokerOptions> brokerOptions;
  private final WorkerLogin login;
  private final List<Integer> linkedKafkaPorts;
  private final Links links;
  private @Nullable BrokerProcess broker;
  private @Nullable KafkaCluster cluster;

  Servers(Installation.Place place, String superuserPassword, int stubPort) {
    var shape = place.shape();
    var ports = Ports.free(7);
    linkedKafkaPorts = ports.subList(4, 7);
    login =
        WorkerLogin.with(Certificates.in(place.directory().resolve("certificates")).directory());
    var directories =
        shape.standby() == Shape.Standby.NONE
            ? List.of(place.postgres())
            : List.of(place.postgres(), place.postgres().resolveSibling("postgres-standby"));
    databases =
        new Databases(
            shape,
            IntStream.range(0, directories.size())
                .mapToObj(server ->
                    login.allowedBy(
                        PostgresOptions.kept(directories.get(server), superuserPassword)
                            .withVersion(shape.version())
                            .withPort(ports.get(server))
                            .withSettings(shape.settings())
                            .withEndWithJvm(false)))
                .toList());
    links = Links.to(ports.get(0), login.address(), linkedKafkaPorts, stubPort);
    brokerOptions =
        (shape.brokers() == 1
                ? List.of(
                    BrokerOptions.kept(place.kafka())
                        .withPorts(ports.get(2), ports.get(3))
                        .withSettings(listeners(ports.get(2), ports.get(3))))
                : KafkaCluster.kept(place.kafka()))
            .stream().map(options -> options.withEndWithJvm(false)).toList();
  }

  /// A listener for each part, which tells it to come through its link.
  private Map<String, String> listeners(int port, int controllerPort) {
    var listeners = new StringBuilder("BROKER://127.0.0.1:" + port);
    var advertised = new StringBuilder(listeners);
    var protocols = new StringBuilder("BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT");
    for (int i = 0; i < LINKED.size(); i++) {
      listeners.append(",").append(LINKED.get(i)).append("://127.0.0.1:");
      listeners.append(linkedKafkaPorts.get(i));
      advertised.append(",").append(LINKED.get(i)).append("://127.0.0.1:");
      advertised.append(links.toKafka().get(i).port());
      protocols.append(",").append(LINKED.get(i)).append(":PLAINTEXT");
    }
    listeners.append(",CONTROLLER://127.0.0.1:").append(controllerPort);
    var settings = new HashMap<String, String>();
    settings.put("listeners", listeners.toString());
    settings.put("advertised.listeners", advertised.toString());
    settings.put("listener.security.protocol.map", protocols.toString());
    return settings;
  }

  Links links() {
    return links;
  }

  WorkerLogin login() {
    return login;
  }

  public Databases databases() {
    return databases;
  }

  public String bootstrapServers() {
    return brokerOptions.stream()
        .map(options -> "127.0.0.1:" + options.port())
        .collect(Collectors.joining(","));
  }

  /// PostgreSQL, or the primary of two.
  public PostgresServer postgres() {
    return databases.primary();
  }

  /// The broker that is alone.
  public synchronized BrokerProcess broker() {
    if (broker == null) {
      throw new IllegalStateException("the broker was never started");
    }
    return broker;
  }

  /// The three brokers.
  public synchronized KafkaCluster cluster() {
    if (cluster == null) {
      throw new IllegalStateException("there are no three brokers");
    }
    return cluster;
  }

  public void startPostgres() {
    databases.startPrimary();
  }

  /// Starts the broker, or those of the three that do not run.
  public synchronized void startBroker() {
    if (brokerOptions.size() > 1) {
      if (cluster == null) {
        cluster = KafkaCluster.start(brokerOptions);
      } else {
        cluster.startStopped();
      }
      return;
    }
    if (broker != null && broker.isRunning()) {
      return;
    }
    if (broker != null) {
      broker.close();
    }
    broker = BrokerProcess.start(brokerOptions.getFirst());
  }

  /// Starts PostgreSQL and kills it as soon as its process is there for that long.
  ///
  /// @return whether it was killed before it was ready
  public boolean killPostgresWhileItStarts(Duration after) {
    return killWhileItStarts(this::startPostgres, databases.primaryDirectory(), after, "QUIT");
  }

  /// Starts the broker and kills it as soon as its process is there for that long.
  ///
  /// @return whether it was killed before it was ready
  public boolean killBrokerWhileItStarts(Duration after) {
    return killWhileItStarts(
        this::startBroker, brokerOptions.getFirst().directory(), after, "KILL");
  }

  private static boolean killWhileItStarts(
      Runnable start, Path directory, Duration after, String signal) {
    var failed = new AtomicBoolean();
    var starting =
        Thread.ofVirtual()
            .start(() -> {
              try {
                start.run();
              } catch (EmbeddedException e) {
                failed.set(true); // as it should be
              }
            });
    Await.until(
        () -> child(directory).isPresent() || !starting.isAlive(),
        Duration.ofSeconds(20),
        () -> "no server process appears in " + directory);
    Await.pause(after);
    child(directory).ifPresent(server -> PartProcess.signal(signal, server.pid()));
    try {
      starting.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new FaultsException("interrupted while a server was starting", e);
    }
    return failed.get();
  }

  private static Optional<ProcessHandle> child(Path directory) {
    return ProcessHandle.current()
        .children()
        .filter(child ->
            child.info().arguments().stream()
                .flatMap(Arrays::stream)
                .anyMatch(argument ->
                    argument.startsWith(directory.toString()) && !argument.endsWith(".unfinished")))
        .findFirst();
  }

  @Override
  public synchronized void close() {
    links.close();
    if (broker != null) {
      broker.close();
    }
    if (cluster != null) {
      cluster.close();
    }
    databases.close();
  }
}
