package org.pgoffload.launcher;

import java.util.Locale;
import java.util.Set;
import org.pgoffload.platform.Settings;
import org.slf4j.bridge.SLF4JBridgeHandler;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/// The `pgoffload` command.
@Command(
    name = "pgoffload",
    description = "LLM calls and background SQL from plain PostgreSQL, through Kafka.",
    mixinStandardHelpOptions = true,
    versionProvider = ShowVersion.class,
    subcommands = {
      InstallCommand.class,
      UninstallCommand.class,
      ProducerCommand.class,
      ConnectorConfigCommand.class,
      WorkerCommand.class,
      ResultsCommand.class,
      MaintainCommand.class,
      ConsoleCommand.class,
      AdoptCommand.class,
      PromoteCommand.class,
      RotateKeyCommand.class,
      AclsCommand.class,
      StatusCommand.class,
      WhyCommand.class,
      PauseCommand.class,
      ResumeCommand.class,
      DeadLettersCommand.class,
      CredentialsCommand.class
    })
public final class Main {
  /// The property that `logback.xml` reads.
  static final String LOG_FORMAT = "pgoffload.log.format";

  static final String LOGS_JSON = "json";

  private static final Set<String> LOG_FORMATS = Set.of("text", LOGS_JSON);

  public static void main(String[] arguments) {
    // numbers, and the words of the JDBC driver by which some faults are known, are the same
    // whatever the user's language
    Locale.setDefault(Locale.ROOT);
    // before anything loads the JDK's HTTP client: hosts that it has no name for are called by
    // their address, and told in a header (worker.llm.CallableAddress)
    System.setProperty("jdk.httpclient.allowRestrictedHeaders", "host");
    // before the first line is logged
    var format = new Settings(System.getenv()).text("PGOFFLOAD_LOG_FORMAT", "text");
    if (!LOG_FORMATS.contains(format)) {
      System.err.println("PGOFFLOAD_LOG_FORMAT must be text or json, not '" + format + "'");
      System.exit(CommandLine.ExitCode.USAGE);
    }
    System.setProperty(LOG_FORMAT, format);
    SLF4JBridgeHandler.removeHandlersForRootLogger();
    SLF4JBridgeHandler.install();
    System.exit(commandLine().execute(arguments));
  }

  public static CommandLine commandLine() {
    var commandLine = new CommandLine(new Main());
    LocalServers.addTo(commandLine);
    return commandLine
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setExecutionExceptionHandler(new ReportFailure());
  }
}
