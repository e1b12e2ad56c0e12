package org.pgoffload.worker.delivery.offsets;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

final class OffsetWatermarkTest {
  @Test
  void isCommittableUpToTheLowestUnfinished() {
    var watermark = begun(5, 6, 7);
    watermark.finish(6);
    assertThat(watermark.committable()).isEqualTo(5);
    watermark.finish(5);
    assertThat(watermark.committable()).isEqualTo(7);
    watermark.finish(7);
    assertThat(watermark.committable()).isEqualTo(8);
  }

  @Test
  void stepsOverOffsetsThatNeverCame() {
    var watermark = begun(5, 9, 12);
    watermark.finish(5);
    assertThat(watermark.committable()).isEqualTo(9);
    watermark.finish(9);
    watermark.finish(12);
    assertThat(watermark.committable()).isEqualTo(13);
  }

  @Test
  void hasNotAdvancedUntilSomethingBelowIsFinished() {
    var watermark = begun(5, 6);
    watermark.finish(6);
    assertThat(watermark.hasAdvanced()).isFalse();
    watermark.finish(5);
    assertThat(watermark.hasAdvanced()).isTrue();
    watermark.committed(7);
    assertThat(watermark.hasAdvanced()).isFalse();
  }

  @Test
  void finishingTwiceChangesNothing() {
    var watermark = begun(5, 6);
    watermark.finish(5);
    watermark.finish(5);
    assertThat(watermark.committable()).isEqualTo(6);
  }

  @Test
  void agreesWithASimpleModelWhateverTheOrder() {
    for (int seed = 0; seed < 200; seed++) {
      var random = new Random(seed);
      var offsets = new ArrayList<>(ascending(random));
      var watermark = new OffsetWatermark(offsets.getFirst());
      var unfinished = new ArrayList<Long>();
      long next = offsets.getFirst();
      while (!offsets.isEmpty() || !unfinished.isEmpty()) {
        if (unfinished.isEmpty() || (!offsets.isEmpty() && random.nextBoolean())) {
          long offset = offsets.removeFirst();
          watermark.begin(offset);
          unfinished.add(offset);
          next = offset + 1;
        } else {
          watermark.finish(unfinished.remove(random.nextInt(unfinished.size())));
        }
        assertThat(watermark.committable())
            .as("seed %d", seed)
            .isEqualTo(unfinished.stream().mapToLong(Long::longValue).min().orElse(next));
      }
    }
  }

  private static List<Long> ascending(Random random) {
    return LongStream.range(100, 300).filter(offset -> random.nextInt(4) > 0).boxed().toList();
  }

  private static OffsetWatermark begun(long... offsets) {
    var watermark = new OffsetWatermark(offsets[0]);
    for (long offset : offsets) {
      watermark.begin(offset);
    }
    return watermark;
  }

  @Test
  void knowsWhenItsConsumerHasBegunAnew() {
    var watermark = new OffsetWatermark(5);
    watermark.begin(5);
    watermark.passed(8);
    assertThat(watermark.isPast(8)).isFalse();
    assertThat(watermark.isPast(0)).isTrue();
  }
}
