package org.pgoffload.worker.llm;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class LlmCallTest {
  private static final List<Turn> TURNS = List.of(Turn.user("Why?"));
  private static final Duration TIMEOUT = Duration.ofSeconds(1);

  @Test
  void refusesWhatNoVendorTakes() {
    refuses(() -> new LlmCall(9, " ", null, TURNS, null, null, TIMEOUT), "the model must not");
    refuses(() -> new LlmCall(9, null, null, List.of(), null, null, TIMEOUT), "one turn");
    refuses(() -> new LlmCall(9, null, null, TURNS, 2.1, null, TIMEOUT), "temperature");
    refuses(() -> new LlmCall(9, null, null, TURNS, Double.NaN, null, TIMEOUT), "temperature");
    refuses(() -> new LlmCall(9, null, null, TURNS, null, 0, TIMEOUT), "max_output_tokens");
    refuses(() -> new LlmCall(9, null, null, TURNS, null, null, Duration.ZERO), "timeout");
    assertThatThrownBy(() -> Turn.user(" \n")).hasMessageContaining("must not be blank");
  }

  private static void refuses(ThrowingCallable call, String words) {
    assertThatThrownBy(call)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("request 9: ")
        .hasMessageContaining(words);
  }
}
