package org.pgoffload.launcher;

import java.util.concurrent.Callable;
import org.pgoffload.producer.ProducerApp;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// `pgoffload producer`.
@Command(
    name = "producer",
    description =
        "Captures requests from the database and publishes them to Kafka, until it is ended.",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class)
final class ProducerCommand implements Callable<Integer> {
  @Mixin private EnvironmentOptions options = new EnvironmentOptions();

  @Override
  public Integer call() throws InterruptedException {
    var settings = options.settings();
    var configuration = ReadConfiguration.producer(settings);
    return RunPart.run(
        settings, "producer", telemetry -> ProducerApp.start(configuration, telemetry));
  }
}
