package org.pgoffload.dev.servers;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Path;
import java.util.List;

/// Another JVM with a server on a directory; closing it ends that JVM normally.
public record Holder(Process process, long serverPid) implements AutoCloseable {

  /// Starts a main class that prints the id of the server's process when it runs.
  public Holder(Class<?> main, Path directory) throws IOException {
    this(builder(main, directory).start());
  }

  private Holder(Process process) throws IOException {
    this(process, Long.parseLong(String.valueOf(firstLine(process))));
  }

  static ProcessBuilder builder(Class<?> main, Path directory) {
    return JavaProcess.builder(List.of("-Xmx128m"), main, List.of(directory.toString()));
  }

  private static String firstLine(Process process) throws IOException {
    return new BufferedReader(new InputStreamReader(process.getInputStream(), UTF_8)).readLine();
  }

  /// Ends it as `kill -9` does.
  public void kill() {
    process.destroyForcibly().onExit().join();
  }

  @Override
  public void close() throws IOException {
    if (process.isAlive()) {
      process.getOutputStream().close();
    }
    process.onExit().join();
  }
}
