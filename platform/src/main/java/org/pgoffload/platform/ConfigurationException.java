package org.pgoffload.platform;

import java.util.List;

/// Everything that is wrong with the configuration, at once, each with what to set.
public final class ConfigurationException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public ConfigurationException(List<String> problems) {
    super("the configuration cannot be used:\n  - " + String.join("\n  - ", problems));
  }
}
