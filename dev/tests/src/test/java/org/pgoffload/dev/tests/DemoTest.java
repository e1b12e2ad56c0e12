package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/// The story of `demo`, told as to a user without a model.
class DemoTest {
  @TempDir Path directory;

  /// With `-Pslow`: the other tests run each of its statements too.
  @Test
  @EnabledIfSystemProperty(named = "slow", matches = "true")
  void tellsItsStoryToTheEnd() throws Exception {
    try (var demo = Command.start(directory, Map.of(), "demo")) {
      assertThat(demo.awaitExit(Duration.ofMinutes(5))).as(demo.output()).isZero();
      assertThat(demo.output())
          .contains(
              "[echo, no model] Why is the sky blue?",
              "answer = 42",
              "[echo, no model] The mood of this ticket, in one word: It works again",
              "everything has ended");
    }
  }
}
