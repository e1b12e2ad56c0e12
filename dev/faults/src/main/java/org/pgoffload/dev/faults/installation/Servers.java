package org.pgoffload.dev.faults.installation;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.servers.BrokerOptions;
import org.pgoffload.dev.servers.BrokerProcess;
import org.pgoffload.dev.servers.EmbeddedException;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.WorkerLogin;
import org.pgoffload.operations.credentials.Certificates;

/// PostgreSQL and the broker of an installation, which come back at the same address with the same
/// data. Thread-safe.
public final class Servers implements AutoCloseable {
  /// The broker's listeners through which the parts reach it when they go through links.
  private static final List<String> LINKED = List.of("PRODUCER", "WORKERS", "RESULTS");

  private final PostgresOptions postgresOptions;
  private final BrokerOptions brokerOptions;
  private final WorkerLogin login;
  private final List<Integer> linkedKafkaPorts;
  private final Links links;
  private @Nullable PostgresServer postgres;
  private @Nullable BrokerProcess broker;

  /// @param settings of PostgreSQL, beside the usual ones
  Servers(
      Path postgresDirectory,
      Path kafkaDirectory,
      Path certificates,
      String superuserPassword,
      Map<String, String> settings,
      int stubPort) {
    var ports = Ports.free(6);
    linkedKafkaPorts = ports.subList(3, 6);
    login = WorkerLogin.with(Certificates.in(certificates).directory());
    postgresOptions =
        login.allowedBy(
            PostgresOptions.kept(postgresDirectory, superuserPassword)
                .withPort(ports.get(0))
                .withSettings(settings)
                .withEndWithJvm(false));
    links = Links.to(ports.get(0), login.address(), linkedKafkaPorts, stubPort);
    brokerOptions =
        BrokerOptions.kept(kafkaDirectory)
            .withPorts(ports.get(1), ports.get(2))
            .withSettings(listeners(ports.get(1), ports.get(2)))
            .withEndWithJvm(false);
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

  int postgresPort() {
    return postgresOptions.port();
  }

  public String bootstrapServers() {
    return "127.0.0.1:" + brokerOptions.port();
  }

  public synchronized PostgresServer postgres() {
    if (postgres == null) {
      throw new IllegalStateException("PostgreSQL was never started");
    }
    return postgres;
  }

  public synchronized BrokerProcess broker() {
    if (broker == null) {
      throw new IllegalStateException("the broker was never started");
    }
    return broker;
  }

  public synchronized void startPostgres() {
    if (postgres != null && postgres.isRunning()) {
      return;
    }
    if (postgres != null) {
      postgres.close();
    }
    postgres = PostgresServer.start(postgresOptions);
  }

  public synchronized void startBroker() {
    if (broker != null && broker.isRunning()) {
      return;
    }
    if (broker != null) {
      broker.close();
    }
    broker = BrokerProcess.start(brokerOptions);
  }

  /// Starts PostgreSQL and kills it as soon as its process is there for that long.
  ///
  /// @return whether it was killed before it was ready
  public boolean killPostgresWhileItStarts(Duration after) {
    return killWhileItStarts(this::startPostgres, postgresOptions.directory(), after, "QUIT");
  }

  /// Starts the broker and kills it as soon as its process is there for that long.
  ///
  /// @return whether it was killed before it was ready
  public boolean killBrokerWhileItStarts(Duration after) {
    return killWhileItStarts(this::startBroker, brokerOptions.directory(), after, "KILL");
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
    Stream.of(Optional.ofNullable(broker), Optional.ofNullable(postgres))
        .flatMap(Optional::stream)
        .forEach(server -> {
          if (server instanceof BrokerProcess kafka) {
            kafka.close();
          } else if (server instanceof PostgresServer database) {
            database.close();
          }
        });
  }
}
