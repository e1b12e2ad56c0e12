package org.pgoffload.launcher;

import java.util.List;
import java.util.ServiceLoader;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/// The commands that start a PostgreSQL and a broker of their own. Their libraries lie apart in the
/// release archive, in `lib/local`, and the image leaves them out: there they only say so.
final class LocalServers {
  private static final List<String> NAMES = List.of("demo", "dev", "bench", "faults");

  private LocalServers() {}

  static void addTo(CommandLine commandLine) {
    found().forEach(local -> local.commands().forEach(commandLine::addSubcommand));
    for (var name : NAMES) {
      if (!commandLine.getSubcommands().containsKey(name)) {
        // whatever its options are, the answer is the same
        commandLine.addSubcommand(
            name, new CommandLine(new LeftOut()).setUnmatchedArgumentsAllowed(true));
      }
    }
  }

  /// Whether the exception is one of theirs whose message is meant for people.
  static boolean explain(Exception exception) {
    return found().stream().anyMatch(local -> local.explains(exception));
  }

  private static List<LocalCommands> found() {
    return ServiceLoader.load(LocalCommands.class).stream()
        .map(ServiceLoader.Provider::get)
        .toList();
  }

  /// Stands for a command whose libraries are left out.
  @Command(hidden = true)
  static final class LeftOut implements Callable<Integer> {
    @Spec private CommandSpec spec = CommandSpec.create();

    @Override
    public Integer call() {
      spec.commandLine()
          .getErr()
          .println(
              "pgoffload "
                  + spec.name()
                  + ": needs a PostgreSQL and a Kafka broker of its own, which this installation"
                  + " leaves out (lib/local, as in the image). Use the release archive.");
      return CommandLine.ExitCode.USAGE;
    }
  }
}
