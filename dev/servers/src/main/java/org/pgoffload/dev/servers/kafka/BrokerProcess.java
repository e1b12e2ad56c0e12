package org.pgoffload.dev.servers.kafka;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import org.pgoffload.dev.servers.ChildStart;
import org.pgoffload.dev.servers.Directories;
import org.pgoffload.dev.servers.DirectoryLock;
import org.pgoffload.dev.servers.EmbeddedException;
import org.pgoffload.dev.servers.JavaProcess;
import org.pgoffload.dev.servers.Processes;
import org.pgoffload.dev.servers.ServerProcess;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A broker as a child process with 256 MB of heap, which a fatal fault ends without harm to this
/// JVM. It ends when this JVM does, however that happens.
public final class BrokerProcess implements KafkaBroker {

  private static final Logger log = LoggerFactory.getLogger(BrokerProcess.class);

  private static final List<String> JVM_OPTIONS =
      List.of(
          "-Xmx256m",
          // One broker with few clients: the smallest footprint and the quickest start.
          "-XX:+UseSerialGC",
          // A broker that is out of memory is ended, and started again by its supervisor.
          "-XX:+ExitOnOutOfMemoryError",
          // Kafka's compression libraries are native, and say so on every start otherwise.
          "--enable-native-access=ALL-UNNAMED",
          "--sun-misc-unsafe-memory-access=allow",
          "-Dlogback.configurationFile="
              + BrokerProcess.class.getPackageName().replace('.', '/')
              + "/broker-logback.xml");

  private final BrokerOptions options;
  private final ServerProcess process;

  private BrokerProcess(BrokerOptions options, Process process, DirectoryLock lock) {
    this.options = options;
    this.process = new ServerProcess(process, lock, options.home());
    this.process.endWithJvm("end-embedded-broker", this::close);
  }

  /// Starts the broker, preparing its storage if it is new, and returns once an administrator can
  /// describe the cluster.
  ///
  /// @throws EmbeddedException if the directory is in use or cannot be used, a port that was asked
  ///   for is in use, or the broker does not start within three minutes; the message ends with what
  ///   it logged
  public static BrokerProcess start(BrokerOptions options) {
    Directories.create(options.directory());
    var lock = DirectoryLock.acquire(options.directory());
    try (var start = new ChildStart()) {
      BrokerOrphan.end(options.directory());
      options.requireFreePorts(); // after an orphan gave them back
      Directories.create(options.recordsDirectory());
      var broker = launch(options, lock, start);
      start.handOver();
      return broker;
    } catch (RuntimeException | Error e) {
      lock.close();
      throw e;
    }
  }

  /// Ends the broker that a killed process left behind in the directory, as the next start would.
  ///
  /// @return the id of the process that was ended, if there was one
  /// @throws EmbeddedException with DIRECTORY_IN_USE if the process that started it is alive
  public static OptionalLong endOrphan(Path directory) {
    try (var _ = DirectoryLock.acquire(directory)) {
      return BrokerOrphan.end(directory.toAbsolutePath().normalize());
    }
  }

  private static BrokerProcess launch(BrokerOptions options, DirectoryLock lock, ChildStart start) {
    var deadline = System.nanoTime() + ChildStart.TIMEOUT.toNanos();
    while (true) {
      var chosen = options.withFreePorts();
      Directories.rotate(options.logFile());
      var process = execute(chosen, start);
      BrokerOrphan.record(options.directory(), process.pid());
      if (BrokerReadiness.await(chosen, process, deadline)) {
        log.info(
            "Kafka runs as process {} on port {} in {}",
            process.pid(),
            chosen.port(),
            options.directory());
        return new BrokerProcess(chosen, process, lock);
      }
      var ended = !process.isAlive();
      process.destroyForcibly();
      Processes.awaitExit(process, Duration.ofSeconds(2));
      var said = Processes.tail(options.logFile(), 40);
      if (!ended || System.nanoTime() - deadline > 0 || !isPassing(said, options)) {
        throw new EmbeddedException(
            EmbeddedException.Code.START_FAILED,
            "The broker did not start in " + options.directory() + "; its log ends with:\n" + said);
      }
    }
  }

  private static Process execute(BrokerOptions options, ChildStart start) {
    var file = BrokerOrphan.settingsFile(options.directory());
    try (var writer = Files.newBufferedWriter(file)) {
      BrokerSettings.of(options).store(writer, "Written by pgoffload at each start.");
    } catch (IOException e) {
      throw Directories.unusable(file, "cannot be written", e);
    }
    return JavaProcess.start(
        JavaProcess.builder(JVM_OPTIONS, BrokerMain.class, List.of(file.toString()))
            .redirectErrorStream(true)
            .redirectOutput(options.logFile().toFile()),
        start);
  }

  /// Whether a free port was taken in between.
  private static boolean isPassing(String said, BrokerOptions options) {
    return (options.port() == 0 || options.controllerPort() == 0)
        && said.contains("Address already in use");
  }

  @Override
  public BrokerOptions options() {
    return options;
  }

  /// The id of the broker's process.
  public long processId() {
    return process.id();
  }

  /// The broker's log since its start.
  public Path logFile() {
    return options.logFile();
  }

  @Override
  public boolean isRunning() {
    return process.isRunning();
  }

  /// {@inheritDoc} After [#kill()] it only removes, and not if another broker runs on the directory
  /// by now.
  @Override
  public void close() {
    process.close(BrokerProcess::endOrderly);
  }

  /// Ends the broker in an orderly way: its partitions get other leaders where there are any. The
  /// data stay until [#close()], and the directory is free for another start.
  public void stop() {
    process.end(BrokerProcess::endOrderly);
  }

  /// Kills the broker with SIGKILL and returns when it is gone; the directory is free for another
  /// start. For tests.
  public void kill() {
    process.end(Process::destroyForcibly);
  }

  private static void endOrderly(Process process) {
    try {
      process.getOutputStream().close();
    } catch (IOException e) {
      log.debug("Broker {} is gone already", process.pid(), e);
    }
    if (!Processes.awaitExit(process, Duration.ofMillis(4_500))) {
      process.destroyForcibly();
    }
  }
}
