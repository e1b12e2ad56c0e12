package org.pgoffload.dev.servers;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// The operating system's services for this module: short commands, signals, free ports, and
/// whether a recorded process is still the one that was recorded.
public final class Processes {

  /// How a short command ended, with what it wrote to either stream.
  record Outcome(int exitCode, String output) {}

  /// How a prepared command becomes a process.
  interface Spawning {
    Process spawn(ProcessBuilder builder) throws IOException;
  }

  private Processes() {}

  /// Runs a command to its end, or kills it after the timeout.
  static Outcome run(List<String> command, Duration timeout) {
    return run(command, timeout, ProcessBuilder::start);
  }

  /// The same for a command that is spawned in a way of its own.
  static Outcome run(List<String> command, Duration timeout, Spawning spawning) {
    try {
      var process = spawning.spawn(new ProcessBuilder(command).redirectErrorStream(true));
      process.getOutputStream().close();
      CompletableFuture.delayedExecutor(timeout.toMillis(), TimeUnit.MILLISECONDS)
          .execute(process::destroyForcibly);
      var output = new String(process.getInputStream().readAllBytes(), UTF_8);
      return new Outcome(process.waitFor(), output);
    } catch (IOException e) {
      return new Outcome(127, String.valueOf(e.getMessage()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw interrupted(e);
    }
  }

  /// The command in a session of its own where the system can: Ctrl-C in a terminal goes to every
  /// process of the foreground group, and the servers are to end after the parts that use them, not
  /// beside them. `setsid` executes in place, so that the process id stays the server's.
  static List<String> detached(List<String> command) {
    for (var setsid : List.of("/usr/bin/setsid", "/bin/setsid")) {
      if (Files.isExecutable(Path.of(setsid))) {
        var detached = new ArrayList<String>();
        detached.add(setsid);
        detached.addAll(command);
        return detached;
      }
    }
    return command;
  }

  /// Sends a signal that Java has no word for. The shell's own `kill` is everywhere; the command of
  /// that name is missing from small containers.
  public static void signal(long pid, String signal) {
    run(List.of("sh", "-c", "kill -" + signal + " " + pid), Duration.ofSeconds(2));
  }

  /// The process of that id if it still runs and was started with that argument; a process that
  /// merely inherited the number, or a zombie, is not it.
  public static Optional<ProcessHandle> withArgument(long pid, String argument) {
    return ProcessHandle.of(pid)
        .filter(ProcessHandle::isAlive)
        .filter(process ->
            process.info().arguments().stream().flatMap(Arrays::stream).anyMatch(argument::equals));
  }

  /// Waits until no process of that id and argument is left; false if one is, after the timeout.
  public static boolean awaitGone(long pid, String argument, Duration timeout) {
    var deadline = System.nanoTime() + timeout.toNanos();
    while (withArgument(pid, argument).isPresent()) {
      if (System.nanoTime() - deadline > 0) {
        return false;
      }
      pause(Duration.ofMillis(10));
    }
    return true;
  }

  /// Waits for a child process; false if it still runs after the timeout.
  public static boolean awaitExit(Process process, Duration timeout) {
    try {
      return process.waitFor(timeout);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw interrupted(e);
    }
  }

  public static void pause(Duration duration) {
    try {
      Thread.sleep(duration);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw interrupted(e);
    }
  }

  private static EmbeddedException interrupted(InterruptedException cause) {
    return new EmbeddedException(
        EmbeddedException.Code.START_FAILED, "Interrupted while waiting for a process.", cause);
  }

  /// A port that was free a moment ago. Another process may take it before it is used, so whoever
  /// asks has to be ready to ask again.
  public static int freePort() {
    try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Refuses a port on 127.0.0.1 that cannot be had. A port that was only just given back can be:
  /// its old connections may still be ending, and the servers do not mind them either.
  public static void requireFree(int port) {
    try (var socket = new ServerSocket()) {
      socket.setReuseAddress(true);
      socket.bind(new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), port));
    } catch (IOException e) {
      // The other reason to be refused: ports below 1024 belong to root.
      var forbidden = String.valueOf(e.getMessage()).contains("Permission denied");
      throw new EmbeddedException(
          EmbeddedException.Code.START_FAILED,
          "Port "
              + port
              + (forbidden ? " needs the rights of root" : " is in use by another process")
              + ": choose another one.",
          e);
    }
  }

  /// The last lines of a log, for the message of a failed start.
  public static String tail(Path log, int lines) {
    try {
      if (!Files.exists(log)) {
        return "(nothing was logged)";
      }
      var all = new String(Files.readAllBytes(log), UTF_8).lines().toList();
      return String.join("\n", all.subList(Math.max(0, all.size() - lines), all.size()));
    } catch (IOException e) {
      return "(the log " + log + " cannot be read: " + e.getMessage() + ")";
    }
  }
}
