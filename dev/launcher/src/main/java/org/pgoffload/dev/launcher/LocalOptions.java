package org.pgoffload.dev.launcher;

import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

/// How a local installation is started.
///
/// @param directory where everything is kept
/// @param keepData whether the directory stays when the installation ends
/// @param port of PostgreSQL on 127.0.0.1, or 0 for a free one
/// @param kafkaPort of the broker on 127.0.0.1, or 0 for a free one
/// @param parts what to start; the rest is elsewhere, as the environment says
/// @param environment of the parts: providers, settings, and where the other parts are
public record LocalOptions(
    Path directory,
    boolean keepData,
    int port,
    int kafkaPort,
    Set<Part> parts,
    Map<String, String> environment) {
  public LocalOptions {
    parts = Set.copyOf(parts);
    environment = Map.copyOf(environment);
  }
}
