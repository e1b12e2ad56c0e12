package org.pgoffload.launcher;

import java.util.concurrent.Callable;
import org.pgoffload.platform.hosting.RunPart;
import org.pgoffload.producer.CaptureSidecar;
import org.pgoffload.producer.ProducerApp;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// `pgoffload producer`.
@Command(
    name = "producer",
    description =
        "Captures requests from the database and publishes them to Kafka, until it is ended.",
    mixinStandardHelpOptions = true,
    versionProvider = ShowVersion.class)
final class ProducerCommand implements Callable<Integer> {
  @Mixin private EnvironmentOptions options = new EnvironmentOptions();

  @Option(
      names = "--no-capture",
      description =
          "Leave capturing to a Kafka Connect cluster, and do the rest: watch the slot, have sent again what"
              + " a break of the capture has lost, flush messages on PostgreSQL 15 and 16.")
  private boolean noCapture;

  @Override
  public Integer call() throws InterruptedException {
    return RunPart.run(
        options::settings,
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
