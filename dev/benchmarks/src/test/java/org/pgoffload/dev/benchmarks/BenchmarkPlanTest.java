package org.pgoffload.dev.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;

class BenchmarkPlanTest {
  @Test
  void mayDoWithoutAWarmUp() {
    assertThat(new BenchmarkPlan(1, 0, 1, 1).warmUp()).isZero();
  }

  @Test
  void refusesToMeasureNothing() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new BenchmarkPlan(0, 0, 1, 1))
        .withMessageContaining("at least 1");
    assertThatIllegalArgumentException().isThrownBy(() -> new BenchmarkPlan(1, 0, 0, 1));
    assertThatIllegalArgumentException().isThrownBy(() -> new BenchmarkPlan(1, 0, 1, 0));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new BenchmarkPlan(1, -1, 1, 1))
        .withMessageContaining("warm-up");
  }
}
