package org.pgoffload.worker.llm;

/// How a call ended.
public sealed interface LlmOutcome {

  /// What the vendor counted, also for a call that failed after the model had run.
  Usage usage();

  /// The model answered, perhaps cut short. Its text form never shows the answer.
  ///
  /// @param text the answer, never empty
  /// @param finishReason why the model stopped; [FinishReason#LENGTH] for an answer cut short
  record Answered(String text, FinishReason finishReason, Origin origin, Usage usage)
      implements LlmOutcome {

    public Answered {
      if (text.isEmpty()) {
        throw new IllegalArgumentException("an empty answer is a failure");
      }
    }

    @Override
    public String toString() {
      return "Answered[%d characters, finishReason=%s, origin=%s, usage=%s]"
          .formatted(text.length(), finishReason.word(), origin, usage);
    }
  }

  /// There is no answer.
  ///
  /// @param model as the vendor reported it, else as it was asked for
  record Failed(LlmError error, String model, Usage usage) implements LlmOutcome {}
}
