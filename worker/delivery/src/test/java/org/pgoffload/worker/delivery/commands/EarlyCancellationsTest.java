package org.pgoffload.worker.delivery.commands;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class EarlyCancellationsTest {
  private final EarlyCancellations cancellations = new EarlyCancellations();

  @Test
  void areKeptUntilTheyAreObeyed() {
    var first = new Cancellation(1, 10);
    var second = new Cancellation(1, 11);
    var other = new Cancellation(2, 10);
    cancellations.add(first);
    cancellations.add(second);
    cancellations.add(other);
    assertThat(cancellations.of(1)).containsExactly(first, second);
    assertThat(cancellations.of(1)).containsExactly(first, second);
    cancellations.forget(first);
    cancellations.forget(first);
    assertThat(cancellations.of(1)).containsExactly(second);
    assertThat(cancellations.of(2)).containsExactly(other);
  }

  @Test
  void ofARoleThatSendsAnyNumberCostNoOtherRoleItsOwn() {
    cancellations.add(new Cancellation(1, 10));
    for (long id = 2; id <= 2L * EarlyCancellations.MOST; id++) {
      cancellations.add(new Cancellation(id, 11));
    }
    assertThat(cancellations.of(1)).hasSize(1);
    assertThat(cancellations.of(2)).isEmpty();
    assertThat(cancellations.of(2L * EarlyCancellations.MOST))
        .containsExactly(new Cancellation(2L * EarlyCancellations.MOST, 11));
  }
}
