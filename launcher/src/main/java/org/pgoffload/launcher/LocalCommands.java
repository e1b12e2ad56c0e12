package org.pgoffload.launcher;

import java.util.List;

/// Commands that start a PostgreSQL and a broker of their own. An implementation is found by
/// [java.util.ServiceLoader] where its libraries are on the class path.
public interface LocalCommands {
  /// The commands to add to the command line, each annotated as a picocli command.
  List<Object> commands();

  /// Whether the message of the exception is meant for people, so that no stack trace is printed.
  boolean explains(Exception exception);
}
