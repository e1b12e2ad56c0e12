package org.pgoffload.worker.llm;

import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.MaintainedRequest;
import org.pgoffload.protocol.RequestKind;
import org.pgoffload.worker.delivery.scheduling.Pausable;
import org.pgoffload.worker.delivery.scheduling.ShortName;
import org.pgoffload.worker.models.LlmProvider;
import org.pgoffload.worker.models.LlmProviders;
import org.pgoffload.worker.models.ModelTarget;

/// Which model a request is for, where it leaves that to the worker. Safe to share between threads.
final class ChooseTarget {
  /// More than the models that are usually asked; the names of others are not shared.
  private static final int MOST_NAMES = 1000;

  private final LlmProviders providers;
  private final Map<String, String> names = new ConcurrentHashMap<>();

  ChooseTarget(LlmProviders providers) {
    this.providers = providers;
  }

  /// The provider that is asked first; null if there is none.
  ///
  /// @param kind of the request
  /// @param named null for the worker's own choice
  @Nullable LlmProvider provider(RequestKind kind, @Nullable String named) {
    if (kind == RequestKind.RERANK) {
      var reranker = providers.reranker().orElse(null);
      if (named == null || (reranker != null && named.equals(reranker.name()))) {
        return reranker;
      }
    }
    return named == null ? providers.primary() : providers.find(named).orElse(null);
  }

  /// The model that is asked for words, or ranks documents.
  ///
  /// @param named null for the provider's own choice
  static ModelTarget words(LlmProvider provider, @Nullable String named) {
    return new ModelTarget(provider, Objects.requireNonNullElse(named, provider.defaultModel()));
  }

  /// The model that embeds texts.
  ///
  /// @param named null for the provider's own choice
  static ModelTarget embedding(LlmProvider provider, @Nullable String named) {
    var model = named == null ? provider.defaultEmbeddingModel() : named;
    return words(provider, model);
  }

  /// The name of the model whose turn a request waits for.
  String nameOf(Envelope envelope) {
    var target = target(envelope);
    if (target == null) {
      // it only ends
      return "";
    }
    if (names.size() > MOST_NAMES) {
      names.clear();
    }
    return names.computeIfAbsent(ShortName.of(target.toString()), name -> name);
  }

  /// What can be paused of a request.
  Pausable pausable(Envelope envelope) {
    var target = target(envelope);
    return new Pausable(
        target == null ? null : target.provider().name(),
        target == null ? null : target.model(),
        envelope.requestedBy().userOid());
  }

  /// The model that a request asks first; null if it asks none.
  private @Nullable ModelTarget target(Envelope envelope) {
    var payload = envelope.payload();
    var named = payload.path("provider");
    var model = payload.path("model");
    var kind = RequestKind.ofWireName(envelope.kind()).orElse(RequestKind.ASK);
    var provider = provider(kind, named.isTextual() ? named.asText() : null);
    if (provider == null || MaintainedRequest.end(payload).isPresent()) {
      return null;
    }
    var modelName = model.isTextual() ? model.asText() : null;
    return kind == RequestKind.EMBED ? embedding(provider, modelName) : words(provider, modelName);
  }
}
