package org.pgoffload.worker.llm.calls;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmOptions;
import org.pgoffload.worker.models.Part;
import org.pgoffload.worker.models.Turn;

class EstimateTokensTest {
  @Test
  void countsAnImageAsAnImageHoweverManyBytesItHas() {
    var text = new Part.Text("What is this?");
    var image = new Part.InlineImage("QUJD".repeat(1_000_000), "image/png");

    assertThat(EstimateTokens.of(call(List.of(text)))).isEqualTo(504);
    assertThat(EstimateTokens.of(call(List.of(text, image)))).isEqualTo(1_504);
  }

  private static LlmCall call(List<Part> parts) {
    var turns = List.of(new Turn(Turn.Role.USER, parts));
    return new LlmCall(1, null, null, turns, LlmOptions.DEFAULTS, false, Duration.ofSeconds(1));
  }
}
