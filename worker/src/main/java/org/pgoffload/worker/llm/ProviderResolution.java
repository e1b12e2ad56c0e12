package org.pgoffload.worker.llm;

import java.util.List;

/// What an environment says about the provider to use.
public sealed interface ProviderResolution {

  /// This provider, ready to be asked. Whoever receives it closes it.
  record Resolved(LlmProvider provider) implements ProviderResolution {}

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
