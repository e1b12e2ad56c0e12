package org.pgoffload.dev.tests;

import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.pgoffload.dev.servers.JavaProcess;
import org.pgoffload.launcher.Main;

/// The `pgoffload` command in a process of its own, as a user runs it. Killed on close if it still
/// runs.
final class Command implements AutoCloseable {
  private final Process process;
  private final Path output;

  private Command(Process process, Path output) {
    this.process = process;
    this.output = output;
  }

  /// How a command ended.
  ///
  /// @param output of the standard output
  /// @param errors of the standard error
  record Outcome(int status, String output, String errors) {}

  /// Runs it to its end in this JVM, for what needs no process.
  static Outcome run(String... arguments) {
    var output = new StringWriter();
    var errors = new StringWriter();
    int status =
        Main.commandLine()
            .setOut(new PrintWriter(output, true))
            .setErr(new PrintWriter(errors, true))
            .execute(arguments);
    return new Outcome(status, output.toString(), errors.toString());
  }

  /// With the class path of the test.
  ///
  /// @param environment replaces what the test's own says of pgoffload, databases and providers
  static Command start(Path directory, Map<String, String> environment, String... arguments) {
    var command = new ArrayList<String>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("--sun-misc-unsafe-memory-access=allow");
    // the command's own logging, not the tests'
    command.add(
        "-Dlogback.configurationFile="
            + environment.getOrDefault("TEST_LOGBACK_FILE", "logback.xml"));
    command.add(Main.class.getName());
    command.addAll(List.of(arguments));
    return start(directory, JavaProcess.classPath(), environment, command);
  }

  /// @param classPath of a `java` that is given none
  /// @param line the command with its arguments
  static Command start(
      Path directory, String classPath, Map<String, String> environment, List<String> line) {
    // SIGHUP is heard also where whatever runs the tests ignores it, as nohup does
    var command = new ArrayList<>(List.of("env", "--default-signal=HUP"));
    command.addAll(line);
    try {
      var output = Files.createTempFile(directory, "command-", ".log");
      var builder =
          new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile());
      JavaProcess.withoutServices(builder);
      builder.environment().put("CLASSPATH", classPath);
      builder.environment().putAll(environment);
      return new Command(builder.start(), output);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  Process process() {
    return process;
  }

  String output() {
    try {
      return Files.readString(output, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Waits until it has said this.
  ///
  /// @throws IllegalStateException if it ends before, or does not say it in that time
  void awaitOutput(String text, Duration patience) {
    await().atMost(patience).until(() -> output().contains(text) || !process.isAlive());
    if (!output().contains(text)) {
      throw new IllegalStateException(
          "not said: "
              + text
              + "\n"
              + output()
                  .lines()
                  .filter(line -> !line.contains(" DEBUG "))
                  .collect(Collectors.joining("\n")));
    }
  }

  /// Waits for the end.
  ///
  /// @return the exit status
  /// @throws IllegalStateException if it still runs after that time
  int awaitExit(Duration patience) throws InterruptedException {
    if (!process.waitFor(patience.toMillis(), TimeUnit.MILLISECONDS)) {
      throw new IllegalStateException("still running:\n" + output());
    }
    return process.exitValue();
  }

  @Override
  public void close() {
    process.destroyForcibly().onExit().join();
  }
}
