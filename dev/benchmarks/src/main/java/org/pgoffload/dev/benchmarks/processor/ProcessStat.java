package org.pgoffload.dev.benchmarks.processor;

import java.time.Duration;

/// What `/proc/PID/stat` says of a process.
///
/// @param name the program's, as the system cuts it
/// @param parent the process that started it
/// @param used the processor time of the process and of its ended and awaited children
record ProcessStat(String name, long parent, Duration used) {
  /// The unit of the file, USER_HZ: it is 100 on every Linux that the servers run on.
  private static final Duration TICK = Duration.ofMillis(10);

  /// Reads the one line of the file. A name can have spaces and parentheses.
  ///
  /// @throws IllegalArgumentException if it is another kind of line
  static ProcessStat parse(String line) {
    int nameBegins = line.indexOf('(');
    int nameEnds = line.lastIndexOf(')');
    // of the fields that proc(5) counts from 1, these begin with the third
    var fields =
        nameBegins < 0 || nameEnds < nameBegins
            ? new String[0]
            : line.substring(nameEnds + 1).strip().split(" ");
    if (fields.length < 15) {
      throw new IllegalArgumentException("not a line of /proc/PID/stat: " + line);
    }
    long ticks = 0;
    // utime, stime, cutime, cstime
    for (int i = 11; i <= 14; i++) {
      ticks += Long.parseLong(fields[i]);
    }
    return new ProcessStat(
        line.substring(nameBegins + 1, nameEnds),
        Long.parseLong(fields[1]),
        TICK.multipliedBy(ticks));
  }
}
