package org.pgoffload.worker.vendors;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.LlmProvider;
import org.pgoffload.worker.models.ModelTarget;
import org.pgoffload.worker.vendors.http.ReadEnvironment;

/// Reads `LLM_FALLBACKS`: `provider:model` or a provider alone, separated by commas. A model may
/// have colons.
final class ReadFallbacks {
  static final String VARIABLE = "LLM_FALLBACKS";

  private ReadFallbacks() {}

  /// One entry.
  ///
  /// @param model null for the provider's default
  record Entry(String provider, @Nullable String model) {}

  /// What the variable lists; what cannot be read is left as a problem.
  static List<Entry> entries(ReadEnvironment variables) {
    var value = variables.text(VARIABLE);
    var entries = new ArrayList<Entry>();
    if (value == null) {
      return entries;
    }
    for (var written : value.split(",", -1)) {
      var entry = written.strip();
      var colon = entry.indexOf(':');
      var provider = (colon < 0 ? entry : entry.substring(0, colon)).strip();
      var model = colon < 0 ? null : entry.substring(colon + 1).strip();
      if (provider.isEmpty() || (model != null && model.isEmpty())) {
        variables.problem(
            VARIABLE
                + " must be provider:model or a provider, separated by commas, such as"
                + " anthropic:claude-sonnet-5-5,openai");
        return List.of();
      }
      entries.add(new Entry(provider.toLowerCase(Locale.ROOT), model));
    }
    return entries;
  }

  /// Whom the entries mean, of these providers by their names. The others are problems already.
  static List<ModelTarget> targets(List<Entry> entries, Map<String, LlmProvider> providers) {
    var targets = new ArrayList<ModelTarget>();
    for (var entry : entries) {
      var provider = providers.get(entry.provider());
      if (provider != null) {
        var model = entry.model() == null ? provider.defaultModel() : entry.model();
        targets.add(new ModelTarget(provider, model));
      }
    }
    return targets;
  }
}
