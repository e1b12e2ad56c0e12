package org.pgoffload.worker.llm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.pgoffload.worker.delivery.PendingRequests;
import org.pgoffload.worker.delivery.TestRequests;
import org.pgoffload.worker.delivery.waiting.TellWaiting;

final class ModelShareTest {
  private final ModelShare share = new ModelShare();
  private long id;

  @Test
  void leavesAsMuchFreeAsItTakes() {
    int free = 9;
    for (int allowed; (allowed = share.allowance(free, 1 << 20)) > 0; ) {
      assertThat(allowed).isLessThanOrEqualTo(free);
      begin();
      free--;
    }
    assertThat(free).isEqualTo(4);
    assertThat(new ModelShare().allowance(free, 1 << 20)).isEqualTo(3);
  }

  @Test
  void takesAllOfTwoPlaces() {
    assertThat(share.allowance(2, 1)).isEqualTo(2);
    begin();
    assertThat(share.allowance(1, 1 << 20)).isEqualTo(1);
  }

  @Test
  void leavesAsManyBytesFreeAsItTakes() {
    begin();
    long size = TestRequests.received(1, () -> {}).size();
    assertThat(share.allowance(100, size)).isPositive();
    assertThat(share.allowance(100, size - 1)).isZero();
  }

  @Test
  void isFilledAgainWhenHalfOfThoseThatWaitForTheirTurnHaveHadIt() {
    var begun = new ArrayDeque<InFlightRequest>();
    for (int i = 0; i < ModelShare.AHEAD; i++) {
      begun.add(begin());
    }
    assertThat(share.allowance(1 << 20, 1 << 20)).isZero();
    for (int i = 0; i < ModelShare.AHEAD / 2 - 1; i++) {
      begun.remove().waits(Duration.ofHours(1));
    }
    assertThat(share.allowance(1 << 20, 1 << 20)).isZero();
    var last = begun.remove();
    last.forget();
    assertThat(share.allowance(1 << 20, 1 << 20)).isEqualTo(ModelShare.AHEAD / 2);
    last.waitsForTurn(Duration.ZERO);
    assertThat(share.allowance(1 << 20, 1 << 20)).isEqualTo(ModelShare.AHEAD / 2);
    begun.remove().waitsForTurn(Duration.ZERO);
    assertThat(share.allowance(1 << 20, 1 << 20)).isEqualTo(ModelShare.AHEAD / 2);
  }

  @Test
  void tellsWhatTheOldestDoAndWhichOthersAreBusy() {
    var all = new ArrayList<InFlightRequest>();
    for (int i = 0; i < TellWaiting.MOST + 3; i++) {
      var begun = begin();
      begun.waitsForTurn(Duration.ZERO);
      all.add(begun);
    }
    all.getFirst().waits(Duration.ofSeconds(2));
    all.getLast().waits(Duration.ZERO);
    var told = JsonNodeFactory.instance.objectNode();
    InFlightRequests.tell(all, told);
    assertThat(told.path("in_flight")).hasSize(TellWaiting.MOST);
    assertThat(told.path("in_flight").path("1").toString()).isEqualTo("[\"next_try\",2000,0]");
    assertThat(told.path("in_flight").path("2").toString()).isEqualTo("[\"turn\",0,0]");
    assertThat(told.path("busy").toString()).isEqualTo("[" + (TellWaiting.MOST + 3) + "]");

    for (int i = 0; i < InFlightRequests.MOST_BUSY; i++) {
      all.add(begin());
    }
    told.removeAll();
    InFlightRequests.tell(all, told);
    assertThat(told.has("busy")).isFalse();
  }

  private InFlightRequest begin() {
    var request =
        new InFlightRequest(
            TestRequests.received(++id, () -> {}),
            new PendingRequests(),
            InFlightRequest.Deferral.POSSIBLE,
            List.of(),
            () -> Instant.EPOCH,
            patience -> true);
    share.add(request);
    return request;
  }
}
