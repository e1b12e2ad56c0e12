package org.pgoffload.worker.models;

import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// One vendor of models, or a stand-in for one, as the worker sees it.
///
/// Stateless and safe for any number of threads; meant to be called on virtual threads, each call
/// blocking its own. Nothing is retried here: one `ask` is at most one call that the vendor bills.
public interface LlmProvider extends AutoCloseable {

  /// The stable name in results, settings and metrics, such as `openai` or `azure_openai`.
  String name();

  /// The model that answers a call which names none; for Azure the deployment.
  String defaultModel();

  /// Asks the model and waits for the whole answer, at most [LlmCall#timeout()]. Every failure of
  /// the vendor, the network or the request is an outcome, never an exception.
  ///
  /// @param pieces takes the answer while it is written, if [LlmCall#stream()]; a call that fails
  ///   may have given some before
  /// @throws InterruptedException if the thread is interrupted: the HTTP call ends at once
  LlmOutcome ask(LlmCall call, PieceListener pieces) throws InterruptedException;

  /// The model that embeds for a call which names none; null for a provider without embeddings.
  default @Nullable String defaultEmbeddingModel() {
    return null;
  }

  /// The most that one [#embed] takes.
  default EmbedLimits embedLimits() {
    return new EmbedLimits(1, Integer.MAX_VALUE);
  }

  /// Embeds texts, as [#ask] asks.
  ///
  /// @throws InterruptedException if the thread is interrupted: the HTTP call ends at once
  default LlmOutcome embed(EmbedCall call) throws InterruptedException {
    return lacks(
        LlmErrorCode.EMBEDDINGS_NOT_SUPPORTED,
        "has no embeddings; name another provider with llm.provider",
        call.model());
  }

  /// The most documents that one [#rerank] takes; 0 for a provider that ranks none.
  default int mostDocuments() {
    return 0;
  }

  /// Ranks documents, as [#ask] asks.
  ///
  /// @throws InterruptedException if the thread is interrupted: the HTTP call ends at once
  default LlmOutcome rerank(RerankCall call) throws InterruptedException {
    return lacks(
        LlmErrorCode.RERANK_NOT_SUPPORTED,
        "ranks no documents; name no provider, so that the reranker does",
        call.model());
  }

  private LlmOutcome lacks(LlmErrorCode code, String what, @Nullable String model) {
    return new LlmOutcome.Failed(
        new LlmError(code, name() + " " + what, null, null, null),
        Objects.requireNonNullElse(model, defaultModel()),
        Usage.NONE,
        List.of());
  }

  /// Frees the connections. A call under way fails: interrupt its thread first if it should end
  /// without an outcome. May be called more than once.
  @Override
  default void close() {}
}
