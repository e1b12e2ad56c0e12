package org.pgoffload.dev.servers;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// A child JVM with this JVM's own class path, in a session of its own.
public final class JavaProcess {
  private static final List<String> SERVICES =
      List.of("PG", "KAFKA", "DATABASE", "LLM", "ANTHROPIC", "GEMINI", "MISTRAL", "OLLAMA");

  private JavaProcess() {}

  /// Prepares `java <options> <main> <arguments>`. The class path travels in the environment, which
  /// has room for it and leaves the arguments readable in a list of processes.
  public static ProcessBuilder builder(
      List<String> options, Class<?> main, List<String> arguments) {
    var command = new ArrayList<String>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.add(main.getName());
    command.addAll(arguments);
    var builder = new ProcessBuilder(Processes.detached(command));
    builder.environment().put("CLASSPATH", classPath());
    return builder;
  }

  /// This JVM's own class path. Surefire starts a JVM from a jar that only refers to it, and names
  /// it elsewhere.
  public static String classPath() {
    return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
  }

  /// Takes out of a child's environment what this process's own says of databases, Kafka and
  /// providers: the child never meets a user's database or a real provider by accident.
  public static void withoutServices(ProcessBuilder builder) {
    builder
        .environment()
        .keySet()
        .removeIf(name -> SERVICES.stream().anyMatch(name::startsWith) || name.contains("OPENAI"));
  }

  public static Process start(ProcessBuilder builder, ChildStart start) {
    try {
      return start.spawn(builder);
    } catch (IOException e) {
      throw new EmbeddedException(
          EmbeddedException.Code.START_FAILED, "No JVM can be started: " + e.getMessage(), e);
    }
  }
}
