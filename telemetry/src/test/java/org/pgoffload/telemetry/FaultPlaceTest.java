package org.pgoffload.telemetry;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class FaultPlaceTest {
  @Test
  void namesAMissingClass() {
    assertThat(FaultPlace.of(new NoClassDefFoundError("com/example/Missing")))
        .startsWith("java.lang.NoClassDefFoundError: com/example/Missing at ")
        .contains("FaultPlaceTest.java");
  }

  @Test
  void leavesOutTheWordsOfEveryOther() {
    assertThat(FaultPlace.of(new IllegalStateException("a prompt")))
        .startsWith("java.lang.IllegalStateException at ")
        .doesNotContain("prompt");
  }
}
