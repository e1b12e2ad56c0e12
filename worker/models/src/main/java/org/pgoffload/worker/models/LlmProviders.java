package org.pgoffload.worker.models;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// Every provider that a worker can ask. Immutable; closes them all.
public final class LlmProviders implements AutoCloseable {
  private final LlmProvider primary;
  private final Map<String, LlmProvider> byName;
  private final List<ModelTarget> fallbacks;
  private final @Nullable LlmProvider reranker;

  /// @param primary answers what names no provider
  /// @param others what requests may name besides
  /// @param fallbacks whom to ask, in this order, when the one that was asked first is down or out
  ///   of quota; of these providers
  /// @param reranker ranks documents, and nothing else; null for none
  public LlmProviders(
      LlmProvider primary,
      List<LlmProvider> others,
      List<ModelTarget> fallbacks,
      @Nullable LlmProvider reranker) {
    this.primary = primary;
    this.fallbacks = List.copyOf(fallbacks);
    this.reranker = reranker;
    var names = new TreeMap<String, LlmProvider>();
    others.forEach(other -> names.put(other.name(), other));
    names.put(primary.name(), primary);
    this.byName = names;
  }

  /// One provider and nothing to fall back on.
  public static LlmProviders of(LlmProvider provider) {
    return new LlmProviders(provider, List.of(), List.of(), null);
  }

  /// The one that answers what names no provider.
  public LlmProvider primary() {
    return primary;
  }

  /// What ranks documents.
  public Optional<LlmProvider> reranker() {
    return Optional.ofNullable(reranker);
  }

  /// The provider of this name that answers questions.
  public Optional<LlmProvider> find(String name) {
    return Optional.ofNullable(byName.get(name));
  }

  /// The names of all, in alphabetical order.
  public List<String> names() {
    return List.copyOf(byName.keySet());
  }

  /// Whom to ask when another is down or out of quota, in this order.
  public List<ModelTarget> fallbacks() {
    return fallbacks;
  }

  @Override
  public void close() {
    byName.values().forEach(LlmProvider::close);
    reranker().ifPresent(LlmProvider::close);
  }
}
