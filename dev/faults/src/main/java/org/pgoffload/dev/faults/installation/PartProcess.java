package org.pgoffload.dev.faults.installation;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.pgoffload.dev.servers.JavaProcess;

/// One process of a part, with its output in a file. Thread-safe.
public final class PartProcess {
  private static final Duration GONE = Duration.ofSeconds(10);

  private final Process process;
  private final Path output;

  private PartProcess(Process process, Path output) {
    this.process = process;
    this.output = output;
  }

  /// @param environment replaces what this process's own says of databases, Kafka and providers
  static PartProcess start(
      PartCommand command, List<String> arguments, Map<String, String> environment, Path output) {
    var builder =
        new ProcessBuilder(command.with(arguments))
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(output.toFile()));
    JavaProcess.withoutServices(builder);
    builder.environment().putAll(command.environment());
    builder.environment().putAll(environment);
    try {
      return new PartProcess(builder.start(), output);
    } catch (IOException e) {
      throw new UncheckedIOException("a part cannot be started", e);
    }
  }

  boolean isAlive() {
    return process.isAlive();
  }

  long pid() {
    return process.pid();
  }

  /// What it has taken of the processors since its start.
  public Duration processorTime() {
    return process.info().totalCpuDuration().orElse(Duration.ZERO);
  }

  /// Whether it has written that text.
  public boolean says(String text) {
    return output().contains(text);
  }

  public String output() {
    try {
      return Files.readString(output, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("the output of a part cannot be read", e);
    }
  }

  /// SIGKILL; returns when it is gone.
  void kill() {
    process.destroyForcibly();
    awaitExit(GONE);
  }

  /// SIGTERM, and SIGKILL if that does not end it.
  ///
  /// @return whether it ended by itself
  boolean terminate() {
    process.destroy();
    if (awaitExit(GONE)) {
      return true;
    }
    kill();
    return false;
  }

  /// Waits for the end.
  boolean awaitExit(Duration patience) {
    try {
      return process.waitFor(patience);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new FaultsException("interrupted while a part was ending", e);
    }
  }

  /// Stops it as it stands (SIGSTOP).
  public void freeze() {
    signal("STOP");
  }

  /// Lets it go on (SIGCONT).
  public void thaw() {
    signal("CONT");
  }

  private void signal(String name) {
    signal(name, process.pid());
  }

  /// Sends a signal for which Java has no word.
  public static void signal(String name, long pid) {
    try {
      new ProcessBuilder("sh", "-c", "kill -" + name + " " + pid).start().waitFor();
    } catch (IOException e) {
      throw new UncheckedIOException("no signal can be sent", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new FaultsException("interrupted while a signal was sent", e);
    }
  }
}
