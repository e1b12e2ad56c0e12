package org.pgoffload.dev.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import org.junit.jupiter.api.Test;

class BenchmarkPlanTest {
  @Test
  void hasEveryRowOnceUnlessSomeAreChosen() {
    var all = measures();
    assertThat(all).contains("llm-ask", "launch-16", "idle").doesNotHaveDuplicates();
    assertThat(measures("idle", "llm-ask")).containsExactly("llm-ask", "idle");
    assertThat(all).doesNotContain("growth");
    assertThat(measures("growth")).containsExactly("growth");
    assertThat(BenchmarkPlan.describe())
        .hasSize(all.size() + 1)
        .anyMatch(line -> line.startsWith("growth") && line.endsWith("(only if it is named)"));
  }

  @Test
  void namesTheRowsWhenOneIsUnknown() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> measures("idle", "lunch"))
        .withMessage(
            "there is no row lunch; the rows are "
                + String.join(", ", measures()).replace("backlog", "growth, backlog"));
  }

  @Test
  void mayDoWithoutAWarmUp() {
    assertThat(new BenchmarkPlan(List.of(), 1, 0, 1, 1, 1, 1, 1).warmUp()).isZero();
  }

  @Test
  void refusesToMeasureNothing() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new BenchmarkPlan(List.of(), 0, 0, 1, 1, 1, 1, 1))
        .withMessageContaining("at least 1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new BenchmarkPlan(List.of(), 1, 0, 0, 1, 1, 1, 1));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new BenchmarkPlan(List.of(), 1, 0, 1, 0, 1, 1, 1));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new BenchmarkPlan(List.of(), 1, 0, 1, 1, 0, 1, 1));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new BenchmarkPlan(List.of(), 1, 0, 1, 1, 1, 0, 1));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new BenchmarkPlan(List.of(), 1, 0, 1, 1, 1, 1, 0));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new BenchmarkPlan(List.of(), 1, -1, 1, 1, 1, 1, 1))
        .withMessageContaining("warm-up");
  }

  private static List<String> measures(String... only) {
    return new BenchmarkPlan(List.of(only), 1, 0, 1, 1, 1, 1, 1)
        .measures().stream().map(Measure::name).toList();
  }
}
