package org.pgoffload.worker.vendors;

import java.util.List;
import org.pgoffload.worker.models.LlmProviders;

/// What an environment says about the provider to use.
public sealed interface ProviderResolution {

  /// These providers, ready for calls. The caller closes them.
  record Resolved(LlmProviders providers) implements ProviderResolution {}

  /// None, for these reasons, each with what to set.
  ///
  /// @param problems at least one, free of values
  record Unresolved(List<String> problems) implements ProviderResolution {

    public Unresolved {
      problems = List.copyOf(problems);
      if (problems.isEmpty()) {
        throw new IllegalArgumentException("an unresolved provider needs a problem");
      }
    }
  }
}
