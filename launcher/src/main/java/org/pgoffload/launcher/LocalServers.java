package org.pgoffload.launcher;

import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/// The commands that start a PostgreSQL and a broker of their own. What they need besides the
/// parts' libraries lies apart in the release archive, in `lib/local`, and the image leaves it out:
/// there they only say so.
final class LocalServers {
  private static final String BROKER = "kafka.server.KafkaRaftServer";

  private LocalServers() {}

  static void addTo(CommandLine commandLine) {
    if (arePresent()) {
      commandLine
          .addSubcommand(new DemoCommand())
          .addSubcommand(new DevCommand())
          .addSubcommand(new BenchCommand())
          .addSubcommand(new FaultsCommand());
      return;
    }
    for (var name : new String[] {"demo", "dev", "bench", "faults"}) {
      // whatever its options are, the answer is the same
      commandLine.addSubcommand(
          name, new CommandLine(new LeftOut()).setUnmatchedArgumentsAllowed(true));
    }
  }

  private static boolean arePresent() {
    try {
      Class.forName(BROKER, false, LocalServers.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException e) {
      return false;
    }
  }

  /// Stands for each of them.
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
