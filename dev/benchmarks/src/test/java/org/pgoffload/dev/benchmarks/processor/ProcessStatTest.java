package org.pgoffload.dev.benchmarks.processor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class ProcessStatTest {
  @Test
  void addsTheTimeOfEndedChildrenToTheProcessOwn() {
    // utime 120, stime 30, cutime 1000, cstime 200, each a hundredth of a second
    assertThat(
            ProcessStat.parse(
                "4711 (postgres) S 42 4711 4711 0 -1 4194560 13 0 1 0 120 30 1000 200 20 0 1 0 8871"))
        .isEqualTo(new ProcessStat("postgres", 42, Duration.ofMillis(13_500)));
  }

  @Test
  void takesANameWithSpacesAndParentheses() {
    assertThat(ProcessStat.parse("7 (a) (b c)) R 1 7 7 0 -1 0 0 0 0 0 1 2 3 4 20 0 1 0 8871\n"))
        .isEqualTo(new ProcessStat("a) (b c)", 1, Duration.ofMillis(100)));
  }

  @Test
  void refusesAnotherLine() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> ProcessStat.parse("cpu  1 2 3"))
        .withMessageContaining("/proc/PID/stat");
    assertThatIllegalArgumentException().isThrownBy(() -> ProcessStat.parse("1 (init) S 0"));
  }
}
