package org.pgoffload.results;

import java.nio.file.Path;
import java.util.Map;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.telemetry.Telemetry;

/// The application as a process, until it is killed.
final class ResultsProcess {
  private ResultsProcess() {}

  /// Runs until it is killed.
  ///
  /// @param arguments the database's address, topic prefix, bootstrap servers, directory
  public static void main(String[] arguments) throws InterruptedException {
    var app =
        ResultsApp.start(
            new ResultsConfiguration(
                DatabaseAddress.parse(arguments[0]),
                new TopicNames(arguments[1]),
                Map.of("bootstrap.servers", arguments[2]),
                Path.of(arguments[3])),
            Telemetry.none());
    try (app) {
      app.awaitEnd();
    }
  }
}
