package org.pgoffload.dev.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.faults.FaultPlan;
import org.pgoffload.dev.faults.FaultReport;
import org.pgoffload.dev.faults.RunFaults;
import org.pgoffload.dev.faults.installation.PartCommand;
import org.pgoffload.dev.servers.JavaProcess;
import org.pgoffload.launcher.Main;
import org.pgoffload.launcher.PgoffloadCommand;
import org.pgoffload.platform.ConfigurationException;
import org.pgoffload.platform.hosting.RunUntilShutdown;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload faults`.
@Command(
    name = "faults",
    description = {
      "Injects faults into a whole installation on this machine, under load, and checks"
          + " that nothing is lost and nothing happens twice.",
      "Ends with 1 if any book does not balance."
    })
public final class FaultsCommand extends PgoffloadCommand {
  @Option(names = "--list", description = "List the faults, and inject none.")
  private boolean list;

  @Option(
      names = "--only",
      split = ",",
      paramLabel = "FAULT",
      description = "Inject these alone; default: all.")
  private List<String> only = List.of();

  @Option(
      names = "--requests",
      paramLabel = "N",
      defaultValue = "5000",
      description = "Requests of each fault; default: ${DEFAULT-VALUE}.")
  private int requests;

  @Option(
      names = "--mix",
      paramLabel = "N",
      defaultValue = "0",
      description = "Rounds of several random faults at once; default: ${DEFAULT-VALUE}.")
  private int rounds;

  @Option(
      names = "--seed",
      paramLabel = "S",
      description = "Repeat what was random in an earlier run; default: a new one, which is told.")
  private @Nullable Long seed;

  @Option(
      names = "--report",
      paramLabel = "FILE",
      description = "Write the table, in Markdown, to FILE as well.")
  private @Nullable Path report;

  @Option(names = "--keep", description = "Keep the directory, with what every part has logged.")
  private boolean keep;

  @Override
  public Integer call() throws SQLException, IOException {
    var out = out();
    if (list) {
      FaultPlan.describe().forEach(out::println);
      out.flush();
      return 0;
    }
    if (System.getenv("PGOFFLOAD_LOG_LEVEL") == null) {
      // before the first logger: servers that are killed on purpose need no lines of their own
      System.setProperty("PGOFFLOAD_LOG_LEVEL", "ERROR");
    }
    var plan = plan();
    out.println("seed " + plan.seed() + ", directory " + plan.directory());
    var begun = System.nanoTime();
    Consumer<String> say =
        step -> {
          out.printf("[%6.1f s] %s%n", (System.nanoTime() - begun) / 1e9, step);
          out.flush();
        };
    var faults = new RunFaults(plan, partCommand(), say);
    try (var _ = new RunUntilShutdown(faults)) {
      var outcomes = faults.run();
      var table = FaultReport.markdown(outcomes, plan.seed());
      out.println();
      out.print(table);
      out.print(FaultReport.problems(outcomes, 20));
      out.flush();
      if (report != null) {
        Files.writeString(report, table);
      }
      return outcomes.stream().allMatch(outcome -> outcome.balances()) ? 0 : 1;
    }
  }

  private FaultPlan plan() {
    try {
      return new FaultPlan(
          only,
          requests,
          rounds,
          seed == null ? new Random().nextInt(1_000_000) : seed,
          Directory.temporary(),
          keep);
    } catch (IllegalArgumentException e) {
      throw new ConfigurationException(List.of(String.valueOf(e.getMessage())));
    }
  }

  /// This very command, in a process of its own.
  public static PartCommand partCommand() {
    return new PartCommand(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            // the command's own logging, also where tests have theirs
            "-Dlogback.configurationFile=logback.xml",
            Main.class.getName()),
        // a test's JVM is started from a jar that only refers to the class path, and names it here
        Map.of("CLASSPATH", JavaProcess.classPath()));
  }
}
