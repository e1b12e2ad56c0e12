package org.pgoffload.launcher;

import java.util.concurrent.Callable;
import org.pgoffload.platform.hosting.RunPart;
import org.pgoffload.results.ResultsApp;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// `pgoffload results`.
@Command(
    name = "results",
    description = "Writes results from Kafka back to the database, until it is ended.",
    mixinStandardHelpOptions = true,
    versionProvider = ShowVersion.class)
final class ResultsCommand implements Callable<Integer> {
  @Mixin private EnvironmentOptions options = new EnvironmentOptions();

  @Override
  public Integer call() throws InterruptedException {
    return RunPart.run(
        options::settings,
        "results",
        "RESULTS",
        settings -> {
          var configuration = ReadConfiguration.results(settings);
          return telemetry -> ResultsApp.start(configuration, telemetry);
        });
  }
}
