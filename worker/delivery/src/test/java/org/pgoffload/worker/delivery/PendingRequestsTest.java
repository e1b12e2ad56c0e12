package org.pgoffload.worker.delivery;

import static org.assertj.core.api.Assertions.assertThat;
import static org.pgoffload.worker.delivery.TestRequests.received;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class PendingRequestsTest {
  private final PendingRequests unfinished = new PendingRequests();
  private final List<String> finished = new ArrayList<>();

  @Test
  void waitInTheOrderOfTheirArrival() {
    for (long id : List.of(3L, 1L, 2L)) {
      unfinished.received(received(id, () -> {}));
    }
    assertThat(unfinished.waiting(2)).extracting(ConsumedRequest::id).containsExactly(3L, 1L);
    assertThat(unfinished.waiting(0)).isEmpty();
    assertThat(unfinished.hasWaiting()).isTrue();
  }

  @Test
  void countWhileTheyWaitRunOrAreHeld() {
    var held = received(3, () -> {});
    unfinished.received(received(1, () -> {}));
    unfinished.received(received(2, () -> {}));
    unfinished.received(held);
    unfinished.running(2);
    unfinished.heldElsewhere(held);
    assertThat(unfinished.count()).isEqualTo(3);
    assertThat(unfinished.running()).isEqualTo(1);
    assertThat(unfinished.held()).containsExactly(held);
    assertThat(unfinished.bytes()).isEqualTo(3L * held.size());
    List.of(1L, 2L, 3L).forEach(unfinished::finish);
    assertThat(unfinished.count()).isZero();
    assertThat(unfinished.bytes()).isZero();
    assertThat(unfinished.held()).isEmpty();
  }

  @Test
  void deliveredTwiceRunOnceAndFinishTogether() {
    unfinished.received(received(1, () -> finished.add("first")));
    unfinished.running(1);
    unfinished.received(received(1, () -> finished.add("second")));
    assertThat(unfinished.hasWaiting()).isFalse();
    assertThat(unfinished.count()).isEqualTo(1);
    unfinished.finish(1);
    assertThat(finished).containsExactly("first", "second");
    assertThat(unfinished.bytes()).isZero();
  }

  @Test
  void deliveredAgainAfterTheEndWaitAnew() {
    unfinished.received(received(1, () -> finished.add("first")));
    unfinished.finish(1);
    unfinished.received(received(1, () -> finished.add("second")));
    assertThat(unfinished.waiting(10)).hasSize(1);
    assertThat(finished).containsExactly("first");
  }

  @Test
  void finishingWhatIsNotHereChangesNothing() {
    unfinished.finish(42);
    assertThat(unfinished.count()).isZero();
  }

  @Test
  void takenOverFromAnotherWorkerRun() {
    var held = received(1, () -> {});
    unfinished.received(held);
    unfinished.heldElsewhere(held);
    unfinished.running(1);
    assertThat(unfinished.held()).isEmpty();
    assertThat(unfinished.running()).isEqualTo(1);
  }

  @Test
  void aDeliveryWhileItsRequestEndsIsFinishedWithIt() {
    var listener = new ActingListener();
    var pending = new PendingRequests(listener);
    listener.atTheEnd =
        () -> pending.received(received(1, () -> finished.add("delivered meanwhile")));
    pending.received(received(1, () -> finished.add("first")));
    pending.running(1);
    pending.finish(1);
    assertThat(finished).containsExactly("first", "delivered meanwhile");
    assertThat(pending.count()).isZero();
    assertThat(listener.waits).isEqualTo(1);
  }

  @Test
  void aRequestIsNotClaimedAgainBeforeItsListenerKnowsThatItIsHeld() {
    var listener = new ActingListener();
    var pending = new PendingRequests(listener);
    var request = received(1, () -> {});
    listener.whenHeld = () -> assertThat(pending.held()).isEmpty();
    pending.received(request);
    pending.running(1);
    pending.heldElsewhere(request);
    assertThat(pending.held()).containsExactly(request);
  }

  /// Does what another thread may do at the same time.
  private static final class ActingListener implements PendingListener {
    private Runnable atTheEnd = () -> {};
    private Runnable whenHeld = () -> {};
    private int waits;

    @Override
    public void waits(ConsumedRequest request) {
      waits++;
    }

    @Override
    public void held(long id) {
      whenHeld.run();
    }

    @Override
    public void finished(long id) {
      atTheEnd.run();
    }
  }
}
