package org.pgoffload.dev.faults.installation;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// How a part is started: what stands before its arguments on the command line, and the environment
/// that this needs, such as a class path. Immutable.
///
/// @param command program and options, up to where the part's own arguments follow
/// @param environment variables beside those of the part
public record PartCommand(List<String> command, Map<String, String> environment) {
  public PartCommand {
    if (command.isEmpty()) {
      throw new IllegalArgumentException("the command of a part must not be empty");
    }
    command = List.copyOf(command);
    environment = Map.copyOf(environment);
  }

  List<String> with(List<String> arguments) {
    var whole = new ArrayList<>(command);
    whole.addAll(arguments);
    return whole;
  }
}
