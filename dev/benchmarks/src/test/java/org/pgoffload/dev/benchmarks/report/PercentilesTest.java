package org.pgoffload.dev.benchmarks.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;
import org.junit.jupiter.api.Test;

class PercentilesTest {
  @Test
  void turnsNanosecondsIntoMilliseconds() {
    var histogram = new Histogram(TimeUnit.HOURS.toNanos(1), 3);
    for (int i = 1; i <= 1000; i++) {
      histogram.recordValue(TimeUnit.MILLISECONDS.toNanos(i));
    }

    var percentiles = Percentiles.of(histogram);

    assertThat(percentiles.count()).isEqualTo(1000);
    assertThat(percentiles.p50()).isCloseTo(500, within(1.0));
    assertThat(percentiles.p75()).isCloseTo(750, within(1.0));
    assertThat(percentiles.p90()).isCloseTo(900, within(1.0));
    assertThat(percentiles.p95()).isCloseTo(950, within(1.0));
    assertThat(percentiles.p99()).isCloseTo(990, within(1.0));
    assertThat(percentiles.p999()).isCloseTo(999, within(1.0));
    assertThat(percentiles.max()).isCloseTo(1000, within(1.0));
  }

  @Test
  void areZeroWhenNothingWasMeasured() {
    assertThat(Percentiles.of(new Histogram(TimeUnit.HOURS.toNanos(1), 3)))
        .isEqualTo(new Percentiles(0, 0, 0, 0, 0, 0, 0, 0));
  }
}
