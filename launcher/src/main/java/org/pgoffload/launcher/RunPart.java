package org.pgoffload.launcher;

import java.util.function.Function;
import org.pgoffload.telemetry.RunningPart;
import org.pgoffload.telemetry.Telemetry;

/// Runs one part in this process until it is ended, and tells of it at the management address.
final class RunPart {
  private RunPart() {}

  /// Blocks until the part has ended.
  ///
  /// @param name of the part, a word
  /// @param start starts it
  /// @return the exit status: 1, since a part that was not ended by a signal could not go on
  /// @throws ConfigurationException if the environment says something wrong
  static int run(Settings settings, String name, Function<Telemetry, RunningPart> start)
      throws InterruptedException {
    try (var observe = Observe.start(settings, name);
        var part = start.apply(observe.telemetry());
        var _ = new RunUntilShutdown(part)) {
      observe.tellOf(name, part::health);
      part.awaitEnd();
      return 1;
    }
  }
}
