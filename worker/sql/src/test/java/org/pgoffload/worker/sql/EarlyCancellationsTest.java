package org.pgoffload.worker.sql;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class EarlyCancellationsTest {
  private final EarlyCancellations cancellations = new EarlyCancellations();

  @Test
  void areKeptUntilTheyAreRecorded() {
    cancellations.add(1, 10);
    cancellations.add(1, 11);
    cancellations.add(2, 10);
    assertThat(cancellations.of(1)).containsExactly(10L, 11L);
    assertThat(cancellations.of(1)).containsExactly(10L, 11L);
    cancellations.forget(1);
    assertThat(cancellations.of(1)).isEmpty();
    assertThat(cancellations.of(2)).containsExactly(10L);
  }

  @Test
  void ofARoleThatSendsAnyNumberCostNoOtherRoleItsOwn() {
    cancellations.add(1, 10);
    for (long id = 2; id <= 2L * EarlyCancellations.MOST; id++) {
      cancellations.add(id, 11);
    }
    assertThat(cancellations.of(1)).containsExactly(10L);
    assertThat(cancellations.of(2)).isEmpty();
    assertThat(cancellations.of(2L * EarlyCancellations.MOST)).containsExactly(11L);
  }
}
