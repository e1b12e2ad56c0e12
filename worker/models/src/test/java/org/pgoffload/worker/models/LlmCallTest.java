package org.pgoffload.worker.models;

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
    refuses(
        () -> new LlmCall(9, " ", null, TURNS, LlmOptions.DEFAULTS, false, TIMEOUT),
        "the model must not");
    refuses(
        () -> new LlmCall(9, null, null, List.of(), LlmOptions.DEFAULTS, false, TIMEOUT),
        "one turn");
    refusesOptions(() -> new LlmOptions(2.1, null, List.of(), null, null), "temperature");
    refusesOptions(() -> new LlmOptions(Double.NaN, null, List.of(), null, null), "temperature");
    refusesOptions(() -> new LlmOptions(null, 0, List.of(), null, null), "max_output_tokens");
    refuses(
        () -> new LlmCall(9, null, null, TURNS, LlmOptions.DEFAULTS, false, Duration.ZERO),
        "timeout");
    assertThatThrownBy(() -> Turn.user(" \n")).hasMessageContaining("must not be blank");
  }

  @Test
  void refusesAnImageThatNoVendorTakes() {
    var image = new Part.LinkedImage("https://images.example/a.gif", "image/gif");

    assertThatThrownBy(() -> new Part.LinkedImage("http://images.example/a.gif", null))
        .hasMessageContaining("https://");
    assertThatThrownBy(() -> new Part.LinkedImage("https://images.example/a.gif", "text/html"))
        .hasMessageContaining("media_type");
    assertThatThrownBy(() -> new Part.InlineImage("QUJD", "image/svg+xml"))
        .hasMessageContaining("media_type");
    assertThatThrownBy(() -> new Part.InlineImage("", "image/png"))
        .hasMessageContaining("must not be empty");
    assertThatThrownBy(() -> new Turn(Turn.Role.ASSISTANT, List.of(image)))
        .hasMessageContaining("must not have an image");
    assertThatThrownBy(() -> new Turn(Turn.Role.USER, List.of())).hasMessageContaining("a part");
  }

  private static void refusesOptions(ThrowingCallable options, String words) {
    assertThatThrownBy(options)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(words);
  }

  private static void refuses(ThrowingCallable call, String words) {
    assertThatThrownBy(call)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("request 9: ")
        .hasMessageContaining(words);
  }
}
