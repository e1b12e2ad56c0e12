package org.pgoffload.dev.benchmarks.processor;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/// The processor time of an installation: of the process that holds its parts, and of the servers
/// that this process has started, with all their children. The time of an ended child counts on in
/// its parent, so that PostgreSQL's short-lived backends are in it.
///
/// @param parts `JVM` (the parts, and the callers of the bench), `Kafka`, `PostgreSQL`
public record ProcessorTime(Map<String, Duration> parts) {
  public static final String JVM = "JVM";
  public static final String POSTGRESQL = "PostgreSQL";
  public static final String KAFKA = "Kafka";

  private static final Path PROC = Path.of("/proc");

  /// Two readings that see the same processes leave out and count twice nothing.
  private static final int MOST_READINGS = 10;

  public ProcessorTime {
    parts = new TreeMap<>(parts);
  }

  /// Whether the system tells processor time: Linux alone does.
  public static boolean isTold() {
    return Files.isReadable(PROC.resolve("self").resolve("stat"));
  }

  /// The time of one process, and of its ended children.
  ///
  /// @param stat the line of its `/proc/PID/stat`
  /// @throws IllegalArgumentException if it is another kind of line
  public static Duration ofProcess(String stat) {
    return ProcessStat.parse(stat).used();
  }

  /// The time since the start of this process and of each below it.
  ///
  /// @throws IllegalStateException if the system does not tell it
  public static ProcessorTime now() {
    return read(PROC, ProcessHandle.current().pid());
  }

  /// As above, from a directory like `/proc`, of another process.
  static ProcessorTime read(Path proc, long root) {
    var processes = processes(proc);
    for (int reading = 1; reading < MOST_READINGS; reading++) {
      var again = processes(proc);
      if (again.keySet().equals(processes.keySet())) {
        break;
      }
      processes = again;
    }
    if (!processes.containsKey(root)) {
      throw new IllegalStateException(
          "processor time cannot be told here: "
              + proc.resolve(Long.toString(root)).resolve("stat")
              + " is missing, which Linux has");
    }
    var parts = new HashMap<String, Duration>();
    for (var process : processes.entrySet()) {
      var part = part(process.getKey(), root, processes);
      if (!part.isEmpty()) {
        parts.merge(part, process.getValue().used(), Duration::plus);
      }
    }
    return new ProcessorTime(parts);
  }

  /// The time that the compilers of the installation's JVMs have used until now. A thread of theirs
  /// that has ended is not in it.
  public static Duration ofCompilers() {
    return ofCompilers(PROC, ProcessHandle.current().pid());
  }

  static Duration ofCompilers(Path proc, long root) {
    var processes = processes(proc);
    return processes.keySet().stream()
        .filter(id -> Set.of(JVM, KAFKA).contains(part(id, root, processes)))
        .flatMap(id -> processes(proc.resolve(Long.toString(id)).resolve("task")).values().stream())
        // "C1 CompilerThread0", as the system cuts it
        .filter(thread -> thread.name().matches("C[12] Compiler.*"))
        .map(ProcessStat::used)
        .reduce(Duration.ZERO, Duration::plus);
  }

  /// What the directories of a directory say, by their numbers.
  private static Map<Long, ProcessStat> processes(Path proc) {
    var processes = new HashMap<Long, ProcessStat>();
    try (var directories = Files.newDirectoryStream(proc, "[0-9]*")) {
      for (var directory : directories) {
        stat(directory)
            .ifPresent(stat -> processes.put(Long.valueOf(directory.toFile().getName()), stat));
      }
    } catch (IOException | DirectoryIteratorException e) {
      throw new IllegalStateException(
          "processor time cannot be told here: " + proc + " cannot be read, which Linux has", e);
    }
    return processes;
  }

  private static Optional<ProcessStat> stat(Path directory) {
    try {
      return Optional.of(ProcessStat.parse(Files.readString(directory.resolve("stat"))));
    } catch (IOException e) {
      // the process has ended meanwhile, or its user hides it
      return Optional.empty();
    }
  }

  /// The part that a process belongs to; empty for a process of others.
  private static String part(long process, long root, Map<Long, ProcessStat> processes) {
    var below = "";
    for (long id = process; id != root; ) {
      var stat = processes.get(id);
      if (stat == null) {
        return "";
      }
      below = stat.name();
      id = stat.parent();
    }
    return switch (below) {
      case "" -> JVM;
      case "postgres" -> POSTGRESQL;
      // the only other Java process that an installation starts
      case "java" -> KAFKA;
      default -> below;
    };
  }

  /// What was used since an earlier reading.
  public ProcessorTime since(ProcessorTime earlier) {
    var used = new HashMap<String, Duration>();
    parts.forEach((part, time) ->
        used.put(part, time.minus(earlier.parts.getOrDefault(part, Duration.ZERO))));
    return new ProcessorTime(used);
  }

  /// The sum of two stretches.
  public ProcessorTime and(ProcessorTime other) {
    var sum = new HashMap<>(parts);
    other.parts.forEach((part, time) -> sum.merge(part, time, Duration::plus));
    return new ProcessorTime(sum);
  }

  /// The time of one part.
  public Duration of(String part) {
    return parts.getOrDefault(part, Duration.ZERO);
  }

  /// The time of all parts.
  public Duration total() {
    return parts.values().stream().reduce(Duration.ZERO, Duration::plus);
  }
}
