package org.pgoffload.launcher;

import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.pausing.PauseRequests;
import picocli.CommandLine.Option;

/// What `pgoffload pause` and `pgoffload resume` are told to act on.
final class PauseTarget {
  @Option(
      names = "--model",
      paramLabel = "MODEL",
      description = "The model, as its provider names it; without --provider, that of any.")
  private @Nullable String model;

  @Option(
      names = "--provider",
      paramLabel = "PROVIDER",
      description = "The provider; without --model, all models of it.")
  private @Nullable String provider;

  @Option(
      names = "--role",
      paramLabel = "ROLE",
      description = "The role whose requests are meant, of models and of SQL.")
  private @Nullable String role;

  /// @throws IllegalArgumentException if the options name nothing, or too much
  PauseRequests.Target what() {
    return new PauseRequests.Target(model, provider, role);
  }
}
