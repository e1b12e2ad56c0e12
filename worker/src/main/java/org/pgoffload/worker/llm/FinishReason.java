package org.pgoffload.worker.llm;

import java.util.Locale;

/// Why the model stopped writing an answer, the same words for every vendor.
public enum FinishReason {
  /// The model was done, or met a stop sequence.
  STOP,
  /// The answer is cut short by `max_output_tokens` or the context window.
  LENGTH,
  /// Anything else that still left an answer.
  OTHER;

  /// The stable word in results.
  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }
}
