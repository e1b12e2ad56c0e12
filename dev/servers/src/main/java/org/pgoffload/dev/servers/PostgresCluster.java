package org.pgoffload.dev.servers;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The files of one cluster below a server's directory. Its caller holds the directory's lock.
record PostgresCluster(Path directory) {

  private static final Logger log = LoggerFactory.getLogger(PostgresCluster.class);

  /// As long as a fast shutdown may take before an immediate one, which loses nothing either.
  private static final Duration FAST_SHUTDOWN = Duration.ofSeconds(3);

  Path data() {
    return directory.resolve("cluster");
  }

  Path logFile() {
    return directory.resolve("postgres.log");
  }

  private Path pidFile() {
    return data().resolve("postmaster.pid");
  }

  /// Makes the cluster if there is none. A cluster gets its name only when it is complete.
  void initialise(
      PostgresOptions options, PostgresBinaries binaries, ServerAccount account, ChildStart start) {
    try {
      var versionFile = data().resolve("PG_VERSION");
      if (Files.exists(versionFile)) {
        checkVersion(Files.readString(versionFile).strip(), options.version());
        return;
      }
      var unfinished = directory.resolve("cluster.unfinished");
      Directories.delete(unfinished);
      Files.createDirectory(unfinished, ownerOnly());
      account.own(directory);
      account.own(unfinished);
      initdb(options, binaries, account, unfinished, start);
      Files.move(unfinished, data());
    } catch (IOException e) {
      throw Directories.unusable(directory, "cannot hold a cluster", e);
    }
  }

  private void checkVersion(String found, PostgresVersion wanted) {
    if (!found.equals(String.valueOf(wanted.major()))) {
      throw new EmbeddedException(
          EmbeddedException.Code.DIRECTORY_UNUSABLE,
          "The data in "
              + directory
              + " were written by PostgreSQL "
              + found
              + " and cannot be read by "
              + wanted.major()
              + ": choose another directory, or move them with pg_dump.");
    }
  }

  private void initdb(
      PostgresOptions options,
      PostgresBinaries binaries,
      ServerAccount account,
      Path into,
      ChildStart start)
      throws IOException {
    var password = directory.resolve("cluster.password");
    Files.deleteIfExists(password);
    try {
      Files.createFile(
          password,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
      Files.writeString(password, options.superuserPassword() + "\n");
      account.own(password);
      var command = new ArrayList<String>();
      command.add(binaries.initdb().toString());
      command.addAll(List.of("-D", into.toString(), "-U", "postgres", "--pwfile=" + password));
      command.addAll(List.of("--auth=scram-sha-256", "--encoding=UTF8"));
      // C sorts by bytes, alike on every machine; the provider built into 17 and later has C.UTF-8,
      // which also knows the letters beyond ASCII.
      command.add("--locale=C");
      if (options.version().compareTo(PostgresVersion.V17) >= 0) {
        command.addAll(List.of("--locale-provider=builtin", "--builtin-locale=C.UTF-8"));
      }
      if (!options.home().keepData()) {
        // data that end with the server need not survive a crash of the machine
        command.add("--no-sync");
      }
      var outcome = Processes.run(account.command(command), Duration.ofSeconds(60), start::spawn);
      if (outcome.exitCode() != 0) {
        throw new EmbeddedException(
            EmbeddedException.Code.START_FAILED,
            "No PostgreSQL cluster could be made in " + directory + ":\n" + outcome.output());
      }
    } finally {
      Files.deleteIfExists(password);
    }
  }

  /// Writes the configuration, as [PostgresConfiguration] has it.
  void configure(PostgresOptions options, int port, ServerAccount account) {
    write(
        "postgresql.conf", PostgresConfiguration.postgresqlConf(options.settings(), port), account);
    write(
        "pg_hba.conf",
        PostgresConfiguration.pgHbaConf(options.authentication().hbaLines()),
        account);
    write(
        "pg_ident.conf",
        PostgresConfiguration.pgIdentConf(options.authentication().identLines()),
        account);
  }

  private void write(String name, String text, ServerAccount account) {
    var file = data().resolve(name);
    try {
      Files.writeString(file, text);
      account.own(file);
    } catch (IOException e) {
      throw Directories.unusable(file, "cannot be written", e);
    }
  }

  /// From its next start on the server follows the primary that its settings name.
  void beStandby(ServerAccount account) {
    write("standby.signal", "", account);
  }

  /// Whether the server with that id says in its pid file that it accepts connections.
  boolean isReady(long pid) {
    var lines = pidFileLines();
    return lines.size() >= 8
        && lines.get(0).strip().equals(String.valueOf(pid))
        && lines.get(7).strip().equals("ready");
  }

  /// Ends the server that a killed process left behind, and returns its id if there was one. A pid
  /// file that names another process by now (the numbers are used again, in a container soon) is
  /// removed, since PostgreSQL would refuse to start; if the number is free, PostgreSQL itself
  /// decides, because processes of the old server may still be there.
  OptionalLong endOrphan() {
    var recorded = recordedPid();
    if (recorded.isEmpty()) {
      return OptionalLong.empty();
    }
    var pid = recorded.getAsLong();
    if (Processes.withArgument(pid, data().toString()).isPresent()) {
      log.warn("PostgreSQL {} was left behind in {}: it is ended", pid, directory);
      end(pid);
      return OptionalLong.of(pid);
    }
    if (ProcessHandle.of(pid).isPresent()) {
      try {
        Files.deleteIfExists(pidFile());
      } catch (IOException e) {
        throw Directories.unusable(pidFile(), "cannot be removed", e);
      }
    }
    return OptionalLong.empty();
  }

  /// Ends the server with that id within five seconds: fast, then immediately (the next start
  /// recovers from the WAL), then by force.
  void end(long pid) {
    end(pid, FAST_SHUTDOWN);
  }

  /// Ends the server with that id: fast, or after the patience immediately, then by force.
  ///
  /// @return whether it ended by the fast shutdown
  boolean end(long pid, Duration patience) {
    Processes.signal(pid, "INT");
    if (Processes.awaitGone(pid, data().toString(), patience)) {
      return true;
    }
    log.warn(
        "PostgreSQL {} still has clients: it is ended at once, and recovers at its next start",
        pid);
    endImmediately(pid);
    return false;
  }

  void endImmediately(long pid) {
    var data = data().toString();
    Processes.signal(pid, "QUIT");
    if (!Processes.awaitGone(pid, data, Duration.ofSeconds(1))) {
      Processes.withArgument(pid, data).ifPresent(ProcessHandle::destroyForcibly);
      Processes.awaitGone(pid, data, Duration.ofSeconds(1));
    }
  }

  private OptionalLong recordedPid() {
    return pidFileLines().stream()
        .findFirst()
        .map(String::strip)
        .filter(line -> line.matches("\\d+"))
        .map(line -> OptionalLong.of(Long.parseLong(line)))
        .orElse(OptionalLong.empty());
  }

  private List<String> pidFileLines() {
    try {
      return Files.readAllLines(pidFile(), UTF_8);
    } catch (IOException e) {
      return List.of(); // there is none, or it is being replaced
    }
  }

  private static FileAttribute<?> ownerOnly() {
    return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));
  }
}
