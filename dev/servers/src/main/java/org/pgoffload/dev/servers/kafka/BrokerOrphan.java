package org.pgoffload.dev.servers.kafka;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.OptionalLong;
import org.pgoffload.dev.servers.Directories;
import org.pgoffload.dev.servers.Processes;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The record of a broker's child process, by which a later start knows one that was left behind.
/// Its caller holds the directory's lock.
final class BrokerOrphan {

  private static final Logger log = LoggerFactory.getLogger(BrokerOrphan.class);

  /// It sees by itself that its parent is gone; this is how long it may take to shut down.
  private static final Duration OWN_END = Duration.ofSeconds(5);

  private BrokerOrphan() {}

  /// The settings a broker is started with; as its argument they tell it from any other process.
  static Path settingsFile(Path directory) {
    return directory.resolve("broker.properties");
  }

  private static Path pidFile(Path directory) {
    return directory.resolve("broker.pid");
  }

  static void record(Path directory, long pid) {
    try {
      Files.writeString(pidFile(directory), pid + "\n");
    } catch (IOException e) {
      throw Directories.unusable(pidFile(directory), "cannot be written", e);
    }
  }

  /// Ends the recorded broker if it still runs, and returns its id.
  static OptionalLong end(Path directory) {
    var pid = recordedPid(directory);
    var argument = settingsFile(directory).toString();
    if (pid < 0 || Processes.withArgument(pid, argument).isEmpty()) {
      return OptionalLong.empty();
    }
    log.warn("Broker {} was left behind in {}: it is ended", pid, directory);
    if (!Processes.awaitGone(pid, argument, OWN_END)) {
      Processes.withArgument(pid, argument).ifPresent(ProcessHandle::destroyForcibly);
      Processes.awaitGone(pid, argument, Duration.ofSeconds(1));
    }
    return OptionalLong.of(pid);
  }

  private static long recordedPid(Path directory) {
    try {
      return Long.parseLong(Files.readString(pidFile(directory)).strip());
    } catch (IOException | NumberFormatException e) {
      return -1; // there is none, or writing it was interrupted, after which the broker ends itself
    }
  }
}
