package org.pgoffload.launcher;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/// The `pgoffload` command.
@Command(
    name = "pgoffload",
    description = "LLM calls and background SQL from plain PostgreSQL, through Kafka.",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class,
    subcommands = {
      DemoCommand.class,
      DevCommand.class,
      InstallCommand.class,
      ProducerCommand.class,
      ConnectorConfigCommand.class,
      WorkerCommand.class,
      ResultsCommand.class,
      MaintainCommand.class,
      AdoptCommand.class,
      DeadLettersCommand.class,
      BenchCommand.class,
      FaultsCommand.class
    })
public final class Main {
  public static void main(String[] arguments) {
    System.exit(commandLine().execute(arguments));
  }

  static CommandLine commandLine() {
    return new CommandLine(new Main())
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setExecutionExceptionHandler(new ReportFailure());
  }
}
