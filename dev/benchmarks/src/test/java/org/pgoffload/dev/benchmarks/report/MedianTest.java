package org.pgoffload.dev.benchmarks.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import org.junit.jupiter.api.Test;

class MedianTest {
  @Test
  void isTheMiddleValueWhateverTheOrder() {
    assertThat(Median.of(List.of(900.0, 1.0, 2.0))).isEqualTo(2.0);
  }

  @Test
  void isTheMeanOfTheTwoInTheMiddle() {
    assertThat(Median.of(List.of(4.0, 1.0, 2.0, 900.0))).isEqualTo(3.0);
  }

  @Test
  void doesNotExistForNothing() {
    assertThatIllegalArgumentException().isThrownBy(() -> Median.of(List.of()));
  }
}
