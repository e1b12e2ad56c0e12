package org.pgoffload.dev.launcher;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.benchmarks.BenchmarkPlan;
import org.pgoffload.dev.benchmarks.BenchmarkResult;
import org.pgoffload.dev.benchmarks.BenchmarkTarget;
import org.pgoffload.dev.benchmarks.Report;
import org.pgoffload.dev.benchmarks.RunBenchmark;
import org.pgoffload.launcher.PgoffloadCommand;
import org.pgoffload.platform.ConfigurationException;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.hosting.RunUntilShutdown;
import org.pgoffload.protocol.TopicNames;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload bench`.
@Command(
    name = "bench",
    description = {
      "Measures latency and throughput with the provider echo, beside the floor of the"
          + " same machine.",
      "Starts everything on this machine and leaves nothing running, unless it is told"
          + " where an installation is that nobody else uses."
    })
final class BenchCommand extends PgoffloadCommand {
  @Option(
      names = "--rows",
      paramLabel = "N",
      defaultValue = "50000",
      description =
          "Rows inserted in one statement, for the throughput; default: ${DEFAULT-VALUE}.")
  private int rows;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      defaultValue = "3",
      description = "Rounds of the throughput; default: ${DEFAULT-VALUE}.")
  private int rounds;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "1000",
      description = "Samples of each latency; default: ${DEFAULT-VALUE}.")
  private int samples;

  @Option(
      names = "--warm-up",
      paramLabel = "N",
      defaultValue = "300",
      description = "Samples before them that do not count; default: ${DEFAULT-VALUE}.")
  private int warmUp;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Write what was measured to FILE as well.")
  private @Nullable Path json;

  @ArgGroup(exclusive = false, heading = "To measure a running installation:%n")
  private @Nullable Running running;

  /// Where a running installation is, as a ready file of `dev` says it.
  static final class Running {
    @Option(
        names = "--app-url",
        paramLabel = "URI",
        required = true,
        description = "libpq URI of a role that may ask.")
    private String application = "";

    @Option(
        names = "--admin-url",
        paramLabel = "URI",
        required = true,
        description = "libpq URI of a superuser.")
    private String admin = "";

    @Option(
        names = "--kafka",
        paramLabel = "HOST:PORT",
        required = true,
        description = "Kafka's bootstrap servers.")
    private String kafka = "";

    @Option(
        names = "--prefix",
        paramLabel = "PREFIX",
        defaultValue = TopicNames.DEFAULT_PREFIX,
        description = "Prefix of the topics; default: ${DEFAULT-VALUE}.")
    private String prefix = TopicNames.DEFAULT_PREFIX;

    private BenchmarkTarget target() {
      try {
        return new BenchmarkTarget(
            DatabaseAddress.parse(application),
            DatabaseAddress.parse(admin),
            Map.of("bootstrap.servers", kafka),
            new TopicNames(prefix));
      } catch (IllegalArgumentException e) {
        throw new ConfigurationException(List.of(String.valueOf(e.getMessage())));
      }
    }
  }

  @Override
  public Integer call() throws InterruptedException, SQLException, IOException {
    var plan = plan();
    var out = out();
    var begun = System.nanoTime();
    Consumer<String> say =
        step -> {
          out.printf("[%5.1f s] %s%n", (System.nanoTime() - begun) / 1e9, step);
          out.flush();
        };
    var result =
        running == null ? measureOwn(plan, say) : RunBenchmark.run(running.target(), plan, say);
    report(result, out);
    return 0;
  }

  private BenchmarkPlan plan() {
    try {
      return new BenchmarkPlan(samples, warmUp, rows, rounds);
    } catch (IllegalArgumentException e) {
      throw new ConfigurationException(List.of(String.valueOf(e.getMessage())));
    }
  }

  private static BenchmarkResult measureOwn(BenchmarkPlan plan, Consumer<String> say)
      throws InterruptedException, SQLException {
    if (System.getenv("PGOFFLOAD_LOG_LEVEL") == null) {
      // before the first logger: its lines would stand between those of the report
      System.setProperty("PGOFFLOAD_LOG_LEVEL", "WARN");
    }
    var environment = new TreeMap<>(System.getenv());
    // never a real provider, whatever keys are set: tens of thousands of calls would be paid for
    environment.put("LLM_PROVIDER", "echo");
    var options =
        new LocalOptions(
            Directory.temporary(), false, 0, 0, EnumSet.allOf(Part.class), environment);
    var installation = LocalInstallation.start(options, say);
    try (var _ = new RunUntilShutdown(installation)) {
      return RunBenchmark.run(
          new BenchmarkTarget(
              installation.application(),
              installation.admin(),
              Map.of("bootstrap.servers", installation.kafkaBootstrap()),
              installation.topics()),
          plan,
          say);
    }
  }

  private void report(BenchmarkResult result, PrintWriter out) throws IOException {
    out.println();
    out.print(Report.text(result));
    out.flush();
    if (json != null) {
      new ObjectMapper().writerWithDefaultPrettyPrinter().writeValue(json.toFile(), result);
    }
  }
}
