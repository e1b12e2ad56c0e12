package org.pgoffload.dev.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.benchmarks.BenchmarkPlan;
import org.pgoffload.dev.benchmarks.BenchmarkResult;
import org.pgoffload.dev.benchmarks.BenchmarkTarget;
import org.pgoffload.dev.benchmarks.OwnInstallation;
import org.pgoffload.dev.benchmarks.ReportJson;
import org.pgoffload.dev.benchmarks.RunBenchmark;
import org.pgoffload.dev.benchmarks.model.SlowModel;
import org.pgoffload.dev.benchmarks.report.Plot;
import org.pgoffload.dev.benchmarks.report.Report;
import org.pgoffload.launcher.PgoffloadCommand;
import org.pgoffload.operations.retention.RemoveOldRequests;
import org.pgoffload.platform.ConfigurationException;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Query;
import org.pgoffload.platform.hosting.RunUntilShutdown;
import org.pgoffload.protocol.TopicNames;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload bench`.
@Command(
    name = "bench",
    description = {
      "Measures an installation with the provider echo: processor time over all its processes,"
          + " latency beside the floor of the same machine, and throughput.",
      "Starts everything on this machine and leaves nothing running, unless it is told"
          + " where an installation is that nobody else uses."
    })
final class BenchCommand extends PgoffloadCommand {
  @Option(names = "--list", description = "List the rows, and measure nothing.")
  private boolean list;

  @Option(
      names = "--only",
      split = ",",
      paramLabel = "ROW",
      description = "Measure these rows alone; default: all.")
  private List<String> only = List.of();

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "400",
      description = "Samples of each latency of one caller; default: ${DEFAULT-VALUE}.")
  private int samples;

  @Option(
      names = "--warm-up",
      paramLabel = "N",
      defaultValue = "120",
      description =
          "Seconds of llm_ask, and as many of pg_background_launch, before everything; fewer once"
              + " the JVMs have little left to compile; default: ${DEFAULT-VALUE}.")
  private int warmUp;

  @Option(
      names = "--seconds",
      paramLabel = "N",
      defaultValue = "5",
      description = "Seconds for which callers are measured; default: ${DEFAULT-VALUE}.")
  private int seconds;

  @Option(
      names = "--rows",
      paramLabel = "N",
      defaultValue = "50000",
      description = "Rows inserted in one statement; default: ${DEFAULT-VALUE}.")
  private int rows;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      defaultValue = "1",
      description = "Rounds of what one statement asks; default: ${DEFAULT-VALUE}.")
  private int rounds;

  @Option(
      names = "--rows-read",
      paramLabel = "N",
      defaultValue = "1000000",
      description = "Rows read through a task; default: ${DEFAULT-VALUE}.")
  private int rowsRead;

  @Option(
      names = "--old-requests",
      paramLabel = "N",
      defaultValue = "10000000",
      description = "Old requests of the row growth; default: ${DEFAULT-VALUE}.")
  private int oldRequests;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Write what was measured to FILE as well.")
  private @Nullable Path json;

  @Option(
      names = "--plot",
      paramLabel = "FILE",
      description = "Draw the latencies and the throughput into FILE, as SVG.")
  private @Nullable Path plot;

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
            new TopicNames(prefix),
            null);
      } catch (IllegalArgumentException e) {
        throw new ConfigurationException(List.of(String.valueOf(e.getMessage())));
      }
    }
  }

  @Override
  public Integer call() throws InterruptedException, SQLException, IOException {
    var out = out();
    if (list) {
      BenchmarkPlan.describe().forEach(out::println);
      out.flush();
      return 0;
    }
    var plan = plan();
    var begun = System.nanoTime();
    Consumer<String> say =
        step -> {
          out.printf("[%5.1f s] %s%n", (System.nanoTime() - begun) / 1e9, step);
          out.flush();
        };
    var result =
        running == null ? measureOwn(plan, say) : RunBenchmark.run(running.target(), plan, say);
    out.println();
    out.print(Report.text(result.rows()));
    out.flush();
    if (json != null) {
      Files.writeString(json, ReportJson.text(result));
    }
    if (plot != null) {
      Files.writeString(plot, Plot.svg(result.rows()));
    }
    return 0;
  }

  /// How long after the start of this process the first answer came.
  private static Duration firstAnswer(LocalInstallation installation) throws SQLException {
    try (var connection = installation.application().connect("pgoffload bench")) {
      Query.exists(connection, "select llm_ask('Hello', timeout => '60 s')");
    }
    return Duration.between(
        ProcessHandle.current().info().startInstant().orElseThrow(), Instant.now());
  }

  private BenchmarkPlan plan() {
    try {
      return new BenchmarkPlan(only, samples, warmUp, seconds, rows, rounds, rowsRead, oldRequests);
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
    try (var model = SlowModel.start()) {
      var environment = new TreeMap<>(System.getenv());
      // never a real provider, whatever keys are set: tens of thousands of calls would be paid for
      environment.put("LLM_PROVIDER", "echo");
      environment.keySet().removeIf(name -> name.startsWith("OPENAI_"));
      environment.putAll(model.environment());
      var options =
          new LocalOptions(
              Directory.temporary(),
              false,
              0,
              0,
              EnumSet.complementOf(EnumSet.of(Part.CONSOLE)),
              environment);
      var installation = LocalInstallation.start(options, say);
      try (var _ = new RunUntilShutdown(installation)) {
        return RunBenchmark.run(
            new BenchmarkTarget(
                installation.application(),
                installation.admin(),
                Map.of("bootstrap.servers", installation.kafkaBootstrap()),
                installation.topics(),
                new OwnInstallation(
                    model,
                    installation.workers(),
                    () -> RemoveOldRequests.run(installation.admin(), true),
                    firstAnswer(installation))),
            plan,
            say);
      }
    }
  }
}
