package org.pgoffload.worker.delivery;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class RecentRequestsTest {
  @Test
  void forgetsTheOldestBeyondItsCapacity() {
    var ids = new RecentRequests<Integer>(2);
    ids.add(1);
    ids.add(2);
    ids.add(2);
    ids.add(3);
    assertThat(ids.contains(1)).isFalse();
    assertThat(ids.contains(2)).isTrue();
    assertThat(ids.contains(3)).isTrue();
  }
}
