package org.pgoffload.worker.delivery;

import static org.assertj.core.api.Assertions.assertThat;
import static org.pgoffload.worker.delivery.TestRequests.envelope;
import static org.pgoffload.worker.delivery.TestRequests.received;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.DeadLetterReason;

final class PendingRequestsTest {
  private final PendingRequests unfinished = new PendingRequests();
  private final List<String> finished = new ArrayList<>();

  @Test
  void thoseThatCameFirstKeepTheirRecords() {
    for (long id : List.of(3L, 1L, 2L)) {
      unfinished.received(received(id, () -> {}));
    }
    unfinished.running(3);
    unfinished.forgetRecords(1, Long.MAX_VALUE);
    assertThat(unfinished.waitingOf(1)).isPresent();
    assertThat(unfinished.waitingOf(2)).isEmpty();
    assertThat(unfinished.bytes()).isEqualTo(2L * received(1, () -> {}).size());
    assertThat(unfinished.unreadOf(2)).isPresent();
    assertThat(unfinished.unreadOf(1)).isEmpty();
    unfinished.forgetRecords(10, 1);
    assertThat(unfinished.waitingOf(1)).isEmpty();
    assertThat(unfinished.count()).isEqualTo(3);
    assertThat(unfinished.waiting()).isEqualTo(2);
  }

  @Test
  void aRecordThatWasReadAgainFinishesAllThatWereDelivered() {
    unfinished.received(received(1, () -> finished.add("first")));
    unfinished.forgetRecords(0, 0);
    unfinished.received(received(1, () -> finished.add("second")));
    var unread = unfinished.unreadOf(1).orElseThrow();
    assertThat(unread.reference().envelope().requestedBy())
        .isEqualTo(received(1, () -> {}).envelope().requestedBy());
    assertThat(unread.reference().envelope().deadline())
        .isEqualTo(received(1, () -> {}).envelope().deadline());
    unfinished.readAgain(received(1, unread.finish()));
    assertThat(unfinished.waitingOf(1)).isPresent();
    unfinished.running(1);
    unfinished.finish(1);
    assertThat(finished).contains("first", "second");
    assertThat(unfinished.bytes()).isZero();
  }

  @Test
  void anotherRequestOfTheSameIdDoesNotEndWithTheFirst() {
    var finished = new ArrayList<String>();
    var first = received(1, () -> finished.add("first"));
    var later =
        received(
            envelope(1, "ask", "{}", 1000)
                .replace(first.envelope().key().nonce().toString(), UUID.randomUUID().toString())
                .replace("\"signed_at_us\": 1000000", "\"signed_at_us\": 2000000"),
            () -> finished.add("later"));
    unfinished.received(first);
    unfinished.running(1);
    assertThat(unfinished.received(later)).isFalse();
    unfinished.finish(1);
    assertThat(finished).containsExactly("first");
    assertThat(unfinished.waitingOf(1)).contains(later);
    unfinished.finish(1);
    assertThat(finished).containsExactly("first", "later");
    assertThat(unfinished.count()).isZero();
    assertThat(unfinished.bytes()).isZero();
  }

  @Test
  void recordsAreKeptUntilTheDatabaseHasTheirRequests() {
    var atOnce =
        received(
            envelope(1, "ask", "{}", 1000).replace("\"immediate\": false", "\"immediate\": true"),
            () -> {});
    var refused =
        new ConsumedRequest(
            received(2, () -> {}).envelope(),
            received(2, () -> {}).record(),
            () -> {},
            new ConsumedRequest.Refusal(DeadLetterReason.TOO_OLD, "old"),
            false);
    unfinished.received(atOnce);
    unfinished.received(refused);
    assertThat(unfinished.unrecorded(10)).containsExactly(atOnce);
    assertThat(unfinished.isRecorded(atOnce)).isFalse();
    unfinished.forgetRecords(0, 0);
    assertThat(unfinished.waitingOf(1)).isPresent();
    unfinished.recorded(1);
    assertThat(unfinished.unrecorded(10)).isEmpty();
    assertThat(unfinished.isRecorded(atOnce)).isTrue();
    unfinished.forgetRecords(0, 0);
    assertThat(unfinished.waitingOf(1)).isEmpty();
    // its record is a dead letter already
    assertThat(unfinished.waitingOf(2)).isPresent();
  }

  @Test
  void whatWaitsOfARevokedPartitionIsLeftToItsNextReader() {
    unfinished.received(received(1, () -> finished.add("waits")));
    unfinished.received(received(2, () -> finished.add("runs")));
    unfinished.running(2);
    unfinished.forgetWaiting(List.of(new TopicPartition("another", 0)));
    assertThat(unfinished.count()).isEqualTo(2);
    unfinished.forgetWaiting(List.of(new TopicPartition("requests", 0)));
    assertThat(unfinished.count()).isEqualTo(1);
    assertThat(unfinished.waiting()).isZero();
    assertThat(finished).isEmpty();
    unfinished.finish(2);
    assertThat(finished).containsExactly("runs");
  }

  @Test
  void theOldestIsKnownWhateverEnds() {
    var oldest = received(envelope(2, "ask", "{}", 1000).replace("1000000", "7000"), () -> {});
    unfinished.received(received(1, () -> {}));
    assertThat(unfinished.oldest()).contains(Instant.ofEpochMilli(1000));
    unfinished.received(oldest);
    assertThat(unfinished.oldest()).contains(Instant.ofEpochMilli(7));
    unfinished.finish(2);
    assertThat(unfinished.oldest()).contains(Instant.ofEpochMilli(1000));
    unfinished.finish(1);
    assertThat(unfinished.oldest()).isEmpty();
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
    assertThat(unfinished.waiting()).isZero();
    assertThat(unfinished.count()).isEqualTo(1);
    unfinished.finish(1);
    assertThat(finished).containsExactly("first", "second");
    assertThat(unfinished.bytes()).isZero();
  }

  @Test
  void whatComesAgainAfterAFailOverDoesNotEndWithWhatHasBegunBeforeIt() {
    unfinished.received(received(1, () -> finished.add("on the server before")));
    unfinished.running(1);
    unfinished.failedOver();
    unfinished.received(received(1, () -> finished.add("came again")));
    unfinished.received(received(1, () -> finished.add("was sent again")));
    unfinished.finish(1);
    assertThat(finished).containsExactly("on the server before");
    // it is claimed once more, and what is delivered from now on ends with it
    assertThat(unfinished.waiting()).isEqualTo(1);
    unfinished.running(1);
    unfinished.received(received(1, () -> finished.add("delivered twice")));
    unfinished.finish(1);
    assertThat(finished)
        .containsExactly("on the server before", "came again", "was sent again", "delivered twice");
  }

  @Test
  void whatIsKnownOfRequestsIsForgottenAfterAFailOver() {
    var atOnce =
        envelope(1, "ask", "{}", 1000).replace("\"immediate\": false", "\"immediate\": true");
    var held = received(atOnce.replace("\"id\": 1,", "\"id\": 2,"), () -> {});
    unfinished.received(received(atOnce, () -> finished.add("first")));
    unfinished.received(received(atOnce, () -> finished.add("second")));
    unfinished.received(held);
    unfinished.recorded(1);
    unfinished.recorded(2);
    unfinished.heldElsewhere(held);
    unfinished.failedOver();
    assertThat(unfinished.waitingOf(1)).map(ConsumedRequest::mayBeLost).contains(true);
    assertThat(unfinished.held()).singleElement().matches(ConsumedRequest::mayBeLost);
    assertThat(unfinished.isRecorded(held)).isFalse();
    assertThat(unfinished.unrecorded(10)).singleElement().matches(each -> each.id() == 1);
  }

  @Test
  void whatWasSignedLastIsKnownOfARequestThatWaits() {
    unfinished.received(at(7, 1_000_000, "first"));
    unfinished.forgetRecords(0, 0);
    unfinished.received(at(8, 2_000_000, "signed again"));
    assertThat(unfinished.waitingOf(1)).map(waiting -> waiting.record().offset()).contains(8L);
    // replayed by somebody
    unfinished.received(at(9, 1_000_000, "replayed"));
    assertThat(unfinished.waitingOf(1)).map(waiting -> waiting.record().offset()).contains(8L);
    assertThat(unfinished.bytes()).isEqualTo(at(8, 2_000_000, "").size());
    unfinished.forgetRecords(0, 0);
    assertThat(unfinished.bytes()).isZero();
    var unread = unfinished.unreadOf(1).orElseThrow();
    assertThat(unread.reference().offset()).isEqualTo(8);
    unread.finish().run();
    assertThat(finished).containsExactlyInAnyOrder("first", "signed again", "replayed");
    assertThat(unfinished.count()).isEqualTo(1);
  }

  private ConsumedRequest at(long offset, long signedMicros, String what) {
    var request =
        received(
            envelope(1, "ask", "{}", 1000).replace("1000000", Long.toString(signedMicros)),
            () -> finished.add(what));
    return new ConsumedRequest(
        request.envelope(),
        new ConsumerRecord<>("requests", 0, offset, new byte[0], request.record().value()),
        request.finish());
  }

  @Test
  void deliveredAgainAfterTheEndWaitAnew() {
    unfinished.received(received(1, () -> finished.add("first")));
    unfinished.finish(1);
    unfinished.received(received(1, () -> finished.add("second")));
    assertThat(unfinished.waiting()).isEqualTo(1);
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
