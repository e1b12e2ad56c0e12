package org.pgoffload.worker.llm;

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
  /// @throws InterruptedException if the thread is interrupted: the HTTP call ends at once
  LlmOutcome ask(LlmCall call) throws InterruptedException;

  /// Frees the connections. A call under way fails: interrupt its thread first if it should end
  /// without an outcome. May be called more than once.
  @Override
  default void close() {}
}
