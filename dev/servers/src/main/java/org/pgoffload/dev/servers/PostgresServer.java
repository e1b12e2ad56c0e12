package org.pgoffload.dev.servers;

import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A real PostgreSQL as a child process of this JVM, with logical decoding on, durable, reachable
/// on 127.0.0.1 only and by password only, unless the options say otherwise. Works for ordinary
/// users and for root.
///
/// One server at a time runs on a directory: a second start is refused, and a server that a killed
/// process left behind is ended by the next start, which recovers from the WAL. Thread-safe.
public final class PostgresServer implements AutoCloseable {

  private static final Logger log = LoggerFactory.getLogger(PostgresServer.class);

  private final PostgresOptions options;
  private final PostgresCluster cluster;
  private final ServerProcess process;

  private PostgresServer(
      PostgresOptions options, PostgresCluster cluster, Process process, DirectoryLock lock) {
    this.options = options;
    this.cluster = cluster;
    this.process = new ServerProcess(process, lock, options.home());
    this.process.endWithJvm("end-embedded-postgres", this::close);
  }

  /// Starts the server, making its cluster if there is none, and returns once it accepts
  /// connections.
  ///
  /// @throws EmbeddedException if the directory is in use or cannot be used, there are no binaries,
  ///   or the server does not start within three minutes
  public static PostgresServer start(PostgresOptions options) {
    return start(options, ServerAccount.detect());
  }

  static PostgresServer start(PostgresOptions options, ServerAccount account) {
    return start(options, account, (_, _) -> {});
  }

  /// Prepares the files of a cluster whose directory is locked and whose server does not run.
  interface Preparation {
    void prepare(PostgresCluster cluster, ServerAccount account);
  }

  static PostgresServer start(
      PostgresOptions options, ServerAccount account, Preparation preparation) {
    Directories.create(options.directory());
    var lock = DirectoryLock.acquire(options.directory());
    try (var start = new ChildStart()) {
      var binaries = PostgresBinaries.of(options.version());
      var cluster = new PostgresCluster(options.directory());
      cluster.endOrphan();
      preparation.prepare(cluster, account);
      cluster.initialise(options, binaries, account, start);
      var server = launch(options, cluster, binaries, account, lock, start);
      start.handOver();
      return server;
    } catch (RuntimeException | Error e) {
      lock.close();
      throw e;
    }
  }

  /// Whether servers run under another account than this process, which has to be able to reach
  /// their directories.
  public static boolean runsUnderAnotherAccount() {
    return ServerAccount.detect() instanceof ServerAccount.OtherUser;
  }

  /// Ends the server that a killed process left behind in the directory, as the next start would.
  ///
  /// @return the id of the process that was ended, if there was one
  /// @throws EmbeddedException with DIRECTORY_IN_USE if the process that started it is alive
  public static OptionalLong endOrphan(Path directory) {
    try (var _ = DirectoryLock.acquire(directory)) {
      return new PostgresCluster(directory.toAbsolutePath().normalize()).endOrphan();
    }
  }

  private static PostgresServer launch(
      PostgresOptions options,
      PostgresCluster cluster,
      PostgresBinaries binaries,
      ServerAccount account,
      DirectoryLock lock,
      ChildStart start) {
    var deadline = System.nanoTime() + ChildStart.TIMEOUT.toNanos();
    Directories.rotate(cluster.logFile());
    while (true) {
      var port = options.port() == 0 ? Processes.freePort() : options.port();
      cluster.configure(options, port, account);
      var process = execute(cluster, binaries, account, start);
      if (awaitReady(cluster, process, deadline)) {
        log.info(
            "PostgreSQL {} runs as process {} on port {} in {}",
            options.version().major(),
            process.pid(),
            port,
            options.directory());
        return new PostgresServer(options.withPort(port), cluster, process, lock);
      }
      var ended = !process.isAlive();
      cluster.endImmediately(process.pid());
      var said = Processes.tail(cluster.logFile(), 20);
      if (!ended || System.nanoTime() - deadline > 0 || !isPassing(said, options)) {
        throw new EmbeddedException(
            EmbeddedException.Code.START_FAILED,
            "PostgreSQL did not start in " + options.directory() + "; its log ends with:\n" + said);
      }
      Directories.rotate(cluster.logFile());
      Processes.pause(Duration.ofMillis(100));
    }
  }

  private static Process execute(
      PostgresCluster cluster, PostgresBinaries binaries, ServerAccount account, ChildStart start) {
    // The directory as an argument is how a later start recognises its orphan.
    var command = List.of(binaries.postgres().toString(), "-D", cluster.data().toString());
    var builder =
        new ProcessBuilder(Processes.detached(account.command(command)))
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(cluster.logFile().toFile()));
    // The caller's PGDATA, PGPORT and locale are not meant for this server.
    builder
        .environment()
        .keySet()
        .removeIf(name -> name.startsWith("PG") || name.startsWith("LC_"));
    try {
      var process = start.spawn(builder);
      process.getOutputStream().close();
      return process;
    } catch (IOException e) {
      throw new EmbeddedException(
          EmbeddedException.Code.START_FAILED,
          "PostgreSQL cannot be executed: " + e.getMessage(),
          e);
    }
  }

  private static boolean awaitReady(PostgresCluster cluster, Process process, long deadline) {
    while (System.nanoTime() - deadline < 0) {
      if (Processes.awaitExit(process, Duration.ofMillis(10))) {
        return false;
      }
      if (cluster.isReady(process.pid())) {
        return true;
      }
    }
    return false;
  }

  /// Whether what the log says passes by itself: a free port was taken in between, or the last
  /// processes of a killed server are just ending.
  private static boolean isPassing(String said, PostgresOptions options) {
    return said.contains("pre-existing shared memory block")
        || (options.port() == 0 && said.contains("could not create any TCP/IP sockets"));
  }

  /// Options that start the same server again, with its present port.
  public PostgresOptions options() {
    return options;
  }

  /// The address on which it listens, always 127.0.0.1.
  public String host() {
    return "127.0.0.1";
  }

  /// The port on which it listens.
  public int port() {
    return options.port();
  }

  /// PostgreSQL's own directory, below that of the options.
  public Path dataDirectory() {
    return cluster.data();
  }

  /// The server's log since its start.
  public Path logFile() {
    return cluster.logFile();
  }

  /// The id of the server's first process.
  public long processId() {
    return process.id();
  }

  /// Whether the server's first process runs.
  public boolean isRunning() {
    return process.isRunning();
  }

  /// The address of a database without a user, for those who keep the password apart.
  public String jdbcUrl(String database) {
    return "jdbc:postgresql://" + host() + ":" + port() + "/" + encoded(database);
  }

  /// The address of a database with user and password: a secret, not for a log.
  public String jdbcUrl(String database, String user, String password) {
    return jdbcUrl(database) + "?user=" + encoded(user) + "&password=" + encoded(password);
  }

  /// The address of database `postgres` for its superuser: a secret, not for a log.
  public String superuserUrl() {
    return jdbcUrl("postgres", "postgres", options.superuserPassword());
  }

  /// Ends the server within five seconds, breaking off its clients, and removes the directory
  /// unless the data are kept. Idempotent. After [#kill()] it only removes, and not if another
  /// server runs on the directory by now.
  @Override
  public void close() {
    process.close(
        options.home().keepData()
            ? server -> cluster.end(server.pid())
            // without writing what is removed next
            : server -> cluster.endImmediately(server.pid()));
  }

  /// Ends the server by a fast shutdown: clients are broken off, and a standby that is connected
  /// gets all WAL, the shutdown's checkpoint included. A logical walsender may hold that up until
  /// its client has confirmed everything. The data stay until [#close()], and the directory is free
  /// for another start.
  ///
  /// @return false if the server took longer, and was ended as by [#stopImmediately()]
  public boolean stop(Duration patience) {
    var orderly = new AtomicBoolean();
    process.end(server -> orderly.set(cluster.end(server.pid(), patience)));
    return orderly.get();
  }

  /// Ends the server at once, as a crash would, but with its processes gone when this returns; the
  /// data stay until [#close()], and the directory is free for another start.
  public void stopImmediately() {
    process.end(server -> cluster.endImmediately(server.pid()));
  }

  /// Kills the server's first process with SIGKILL, as the system would when memory runs out; its
  /// children end by themselves, and the next start waits for them. For tests.
  public void kill() {
    process.end(Process::destroyForcibly);
  }

  private static String encoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }
}
