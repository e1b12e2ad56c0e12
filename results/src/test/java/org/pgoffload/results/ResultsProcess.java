package org.pgoffload.results;

import java.nio.file.Path;
import java.util.Map;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.telemetry.Telemetry;

/// The application as a process, until it is killed.
final class ResultsProcess {
  private ResultsProcess() {}

  /// Runs until it is killed.
  ///
  /// @param arguments host and port of the database, topic prefix, bootstrap servers, directory
  public static void main(String[] arguments) throws InterruptedException {
    var app =
        ResultsApp.start(
            new ResultsConfiguration(
                new DatabaseAddress(
                    arguments[0],
                    Integer.parseInt(arguments[1]),
                    "postgres",
                    "pgoffload_results",
                    Secret.of(TestInstallation.PASSWORD),
                    Map.of()),
                new TopicNames(arguments[2]),
                Map.of("bootstrap.servers", arguments[3]),
                Path.of(arguments[4])),
            Telemetry.none());
    try (app) {
      app.awaitEnd();
    }
  }
}
