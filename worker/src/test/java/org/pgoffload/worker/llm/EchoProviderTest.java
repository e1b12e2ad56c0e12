package org.pgoffload.worker.llm;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class EchoProviderTest {

  @Test
  void answersAndSaysThatItIsNoModel() throws InterruptedException {
    assertThat(new EchoProvider(Duration.ZERO).ask(call(Duration.ofSeconds(1)), PieceListener.NONE))
        .isEqualTo(
            new LlmOutcome.Answered(
                "[echo, no model] Why is the sky blue?",
                FinishReason.STOP,
                new Origin("echo", "echo-no-model", null),
                Usage.NONE,
                List.of()));
  }

  @Test
  void failsWhenItsDelayIsLongerThanTheCallMayTake() throws InterruptedException {
    assertThat(
            new EchoProvider(Duration.ofHours(1))
                .ask(call(Duration.ofMillis(5)), PieceListener.NONE))
        .isEqualTo(
            new LlmOutcome.Failed(
                new LlmError(
                    LlmErrorCode.TIMEOUT, "echo: no whole reply within 5 ms", null, null, null),
                "echo-no-model",
                Usage.NONE,
                List.of()));
  }

  private static LlmCall call(Duration timeout) {
    var turns =
        List.of(Turn.user("Hello."), Turn.assistant("Hi."), Turn.user("Why is the sky blue?"));
    return new LlmCall(1, null, "Be brief.", turns, LlmOptions.DEFAULTS, false, timeout);
  }
}
