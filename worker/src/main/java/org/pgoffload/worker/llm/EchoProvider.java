package org.pgoffload.worker.llm;

import java.time.Duration;
import java.util.List;

/// Answers without any model, and says so in its name, its model and every answer: for trying
/// pgoffload out and for measuring what is not the model. Deterministic; counts no tokens.
///
/// @param delay how long each answer takes
record EchoProvider(Duration delay) implements LlmProvider {

  static final String NAME = "echo";
  static final String MODEL = "echo-no-model";

  EchoProvider {
    if (delay.isNegative()) {
      throw new IllegalArgumentException("the delay must not be negative");
    }
  }

  /// Reads the settings; problems are left in the environment.
  static EchoProvider from(ReadEnvironment environment) {
    return new EchoProvider(environment.duration("LLM_ECHO_DELAY", Duration.ZERO));
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public String defaultModel() {
    return MODEL;
  }

  @Override
  public LlmOutcome ask(LlmCall call, PieceListener pieces) throws InterruptedException {
    var late = delay.compareTo(call.timeout()) > 0;
    if (delay.isPositive()) {
      Thread.sleep(late ? call.timeout() : delay);
    }
    if (late) {
      var message = "echo: no whole reply within " + call.timeout().toMillis() + " ms";
      return new LlmOutcome.Failed(
          new LlmError(LlmErrorCode.TIMEOUT, message, null, null, null),
          MODEL,
          Usage.NONE,
          List.of());
    }
    return new LlmOutcome.Answered(
        "[echo, no model] " + call.turns().getLast().text(),
        FinishReason.STOP,
        new Origin(NAME, MODEL, null),
        Usage.NONE,
        List.of());
  }
}
