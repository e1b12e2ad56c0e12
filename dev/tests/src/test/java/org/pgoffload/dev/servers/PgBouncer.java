package org.pgoffload.dev.servers;

import static org.assertj.core.api.Assumptions.assumeThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.pgoffload.platform.DatabaseAddress;

/// A PgBouncer before the test's server, if the machine has one; else the test is skipped. It lets
/// every role in without a password, and logs in to the server with the role's own.
public final class PgBouncer implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  private final Path directory;
  private final Process process;
  private final int port;

  private PgBouncer(Path directory, Process process, int port) {
    this.directory = directory;
    this.process = process;
    this.port = port;
  }

  /// Starts one.
  ///
  /// @param mode of pooling: `session`, `transaction` or `statement`
  /// @param size how many sessions of the server the clients of a role share
  /// @param ignored the parameters of a login that it drops, beside the driver's own
  /// @param logins the roles that it logs in, with their passwords
  public static PgBouncer start(String mode, int size, String ignored, DatabaseAddress... logins)
      throws IOException {
    var program =
        Stream.concat(Stream.of(System.getenv("PATH").split(":", -1)), Stream.of("/usr/sbin"))
            .map(place -> Path.of(place, "pgbouncer"))
            .filter(Files::isExecutable)
            .findFirst();
    assumeThat(program).as("PgBouncer is not installed").isPresent();
    var directory = Directories.temporary("pgbouncer-");
    int port = Processes.freePort();
    Files.writeString(
        directory.resolve("users"),
        Stream.of(logins)
            .map(login ->
                '"'
                    + login.user()
                    + "\" \""
                    + Objects.requireNonNull(login.password()).reveal()
                    + "\"\n")
            .collect(Collectors.joining()));
    Files.writeString(
        directory.resolve("pgbouncer.ini"),
        """
        [databases]
        * = host=%s port=%d
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = %d
        unix_socket_dir =
        auth_type = trust
        auth_file = %s
        pool_mode = %s
        default_pool_size = %d
        ignore_startup_parameters = extra_float_digits%s
        """
            .formatted(
                logins[0].host(),
                logins[0].port(),
                port,
                directory.resolve("users"),
                mode,
                size,
                ignored.isEmpty() ? "" : "," + ignored));
    var account = ServerAccount.detect();
    try (var files = Files.list(directory)) {
      Stream.concat(Stream.of(directory), files).forEach(account::own);
    }
    var process =
        new ProcessBuilder(
                account.command(
                    List.of(
                        program.orElseThrow().toString(),
                        directory.resolve("pgbouncer.ini").toString())))
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("log").toFile())
            .start();
    var started = new PgBouncer(directory, process, port);
    await().atMost(PATIENCE).until(started::answers);
    return started;
  }

  private boolean answers() {
    try (var socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      return socket.isConnected();
    } catch (IOException e) {
      if (!process.isAlive()) {
        throw new IllegalStateException("PgBouncer has ended: see " + directory, e);
      }
      return false;
    }
  }

  /// The way of a login through it. The driver prepares no statement by name, since versions before
  /// 1.21 do not know which session has it.
  public DatabaseAddress address(DatabaseAddress login) {
    return new DatabaseAddress(
        "127.0.0.1",
        port,
        login.database(),
        login.user(),
        login.password(),
        Map.of("prepareThreshold", "0"));
  }

  @Override
  public void close() {
    process.destroyForcibly();
    Processes.awaitExit(process, PATIENCE);
    Directories.delete(directory);
  }
}
