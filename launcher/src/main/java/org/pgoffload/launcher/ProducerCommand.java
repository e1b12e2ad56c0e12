package org.pgoffload.launcher;

import org.pgoffload.platform.hosting.RunPart;
import org.pgoffload.producer.CaptureSidecar;
import org.pgoffload.producer.ProducerApp;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload producer`.
@Command(
    name = "producer",
    description =
        "Captures requests from the database and publishes them to Kafka, until it is ended.")
final class ProducerCommand extends ConfiguredCommand {
  @Option(
      names = "--no-capture",
      description =
          "Leave capturing to a Kafka Connect cluster, and do the rest: watch the slot, have sent again what"
              + " a break of the capture has lost, flush messages on PostgreSQL 15 and 16.")
  private boolean noCapture;

  @Override
  public Integer call() throws InterruptedException {
    return RunPart.run(
        this::settings,
        "producer",
        "PRODUCER",
        settings -> {
          var configuration = ReadConfiguration.producer(settings);
          return telemetry ->
              noCapture
                  ? CaptureSidecar.start(configuration, telemetry)
                  : ProducerApp.start(configuration, telemetry);
        });
  }
}
