package org.pgoffload.launcher;

import org.pgoffload.platform.hosting.RunPart;
import org.pgoffload.results.ResultsApp;
import picocli.CommandLine.Command;

/// `pgoffload results`.
@Command(
    name = "results",
    description = "Writes results from Kafka back to the database, until it is ended.")
final class ResultsCommand extends ConfiguredCommand {
  @Override
  public Integer call() throws InterruptedException {
    return RunPart.run(
        this::settings,
        "results",
        "RESULTS",
        settings -> {
          var configuration = ReadConfiguration.results(settings);
          return telemetry -> ResultsApp.start(configuration, telemetry);
        });
  }
}
