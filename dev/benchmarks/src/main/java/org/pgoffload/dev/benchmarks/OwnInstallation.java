package org.pgoffload.dev.benchmarks;

import java.sql.SQLException;
import java.time.Duration;
import org.pgoffload.dev.benchmarks.model.SlowModel;

/// What can be measured only of an installation that this process has started.
///
/// @param model a model that its workers can ask besides `echo`
/// @param workers its workers
/// @param removeOldRequests removes the requests that are older than the retention
/// @param start from the start of this process to the installation's first answer
public record OwnInstallation(
    SlowModel model, Workers workers, Work removeOldRequests, Duration start) {
  /// Work that may fail.
  @FunctionalInterface
  public interface Work {
    void run() throws SQLException, InterruptedException;
  }

  /// The workers of an installation.
  public interface Workers {
    /// Ends those that run, and starts others.
    ///
    /// @param number how many
    /// @param maxInFlight how many requests each has at a time
    void replace(int number, int maxInFlight);

    /// Ends those that run, and starts one as the installation is configured.
    void restore();
  }
}
