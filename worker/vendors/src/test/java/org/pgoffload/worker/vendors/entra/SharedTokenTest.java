package org.pgoffload.worker.vendors.entra;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.models.LlmErrorCode;

class SharedTokenTest {
  private static final Instant START = Instant.parse("2026-11-21T10:00:00Z");
  private static final Duration LONG = Duration.ofSeconds(20);
  private static final TokenOutcome.NoToken REFUSED =
      new TokenOutcome.NoToken(LlmErrorCode.AUTHENTICATION_FAILED, "refused");
  private static final TokenOutcome.Token ONE = token("one", 3_600);

  private final AtomicInteger asked = new AtomicInteger();
  private final BlockingQueue<TokenOutcome> answers = new LinkedBlockingQueue<>();
  private volatile Instant now = START;
  private final SharedToken tokens = tokens(LONG);

  @AfterEach
  void close() {
    tokens.close();
  }

  @Test
  void asksOnceHoweverManyWantIt() throws Exception {
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var waiting = new ArrayList<Future<TokenOutcome>>();
      for (var i = 0; i < 2_000; i++) {
        waiting.add(threads.submit(() -> tokens.within(LONG)));
      }
      await().until(() -> asked.get() == 1);
      answers.add(ONE);

      for (var each : waiting) {
        assertThat(each.get()).isEqualTo(ONE);
      }
    }
    assertThat(asked).hasValue(1);
  }

  @Test
  void givesOutThePresentTokenWhileTheNextIsAskedFor() throws InterruptedException {
    haveOneToRenew();

    for (var i = 0; i < 100; i++) {
      assertThat(tokens.within(LONG)).isEqualTo(ONE);
    }
    await().until(() -> asked.get() == 2);
    answers.add(token("two", 7_200));

    await().until(() -> tokens.within(LONG).equals(token("two", 7_200)));
    assertThat(asked).hasValue(2);
  }

  @Test
  void goesOnWithThePresentTokenUntilItsEndWhenNoneFollows() throws InterruptedException {
    haveOneToRenew();
    answers.add(REFUSED);

    assertThat(tokens.within(LONG)).isEqualTo(ONE);
    await().until(() -> asked.get() == 2 && answers.isEmpty());
    now = START.plusSeconds(3_599);
    assertThat(tokens.within(LONG)).isEqualTo(ONE);
    answers.add(REFUSED);
    await().until(answers::isEmpty);
    now = START.plusSeconds(3_600);
    answers.add(REFUSED);

    await().untilAsserted(() -> assertThat(tokens.within(LONG)).isEqualTo(REFUSED));
  }

  @Test
  void tellsAFailureForAWhileAndThenAsksAgain() throws InterruptedException {
    answers.add(REFUSED);
    assertThat(tokens.within(LONG)).isEqualTo(REFUSED);

    for (var i = 0; i < 100; i++) {
      assertThat(tokens.within(LONG)).isEqualTo(REFUSED);
    }
    assertThat(asked).hasValue(1);

    now = START.plus(SharedToken.PAUSE_AFTER_FAILURE);
    answers.add(ONE);
    assertThat(tokens.within(LONG)).isEqualTo(ONE);
  }

  @Test
  void givesUpASourceThatHangs() throws InterruptedException {
    try (var impatient = tokens(Duration.ofMillis(50))) {
      assertThat(impatient.within(LONG))
          .isEqualTo(
              new TokenOutcome.NoToken(
                  LlmErrorCode.PROVIDER_UNREACHABLE,
                  "the source of tokens did not answer within 50 ms"));
    }
  }

  @Test
  void aCallerWaitsNoLongerThanItsCallMayTake() throws InterruptedException {
    assertThat(tokens.within(Duration.ofMillis(20)))
        .isEqualTo(new TokenOutcome.NoToken(LlmErrorCode.TIMEOUT, "no token within 20 ms"));

    answers.add(ONE);
    assertThat(tokens.within(LONG)).isEqualTo(ONE);
    assertThat(asked).hasValue(1);
  }

  @Test
  void anInterruptedCallerLeavesTheQuestionToTheOthers() throws Exception {
    var ended = new CompletableFuture<Throwable>();
    var caller =
        Thread.ofVirtual()
            .start(() -> {
              try {
                tokens.within(LONG);
              } catch (InterruptedException interrupted) {
                ended.complete(interrupted);
              }
            });
    await().until(() -> asked.get() == 1);

    caller.interrupt();

    assertThat(ended).succeedsWithin(LONG);
    answers.add(ONE);
    assertThat(tokens.within(LONG)).isEqualTo(ONE);
    assertThat(asked).hasValue(1);
  }

  @Test
  void closingEndsTheQuestionAndTheWait() throws Exception {
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var waiting = threads.submit(() -> tokens.within(LONG));
      await().until(() -> asked.get() == 1);

      tokens.close();

      assertThat(waiting.get()).isInstanceOf(TokenOutcome.NoToken.class);
      assertThat(tokens.within(LONG)).isInstanceOf(TokenOutcome.NoToken.class);
    }
  }

  @Test
  void reportsADefectOfTheSourceWithoutItsWords() throws InterruptedException {
    TokenSource broken =
        () -> {
          throw new IllegalStateException("private");
        };
    try (var tokensOfIt = new SharedToken(broken, () -> now)) {
      assertThat(tokensOfIt.within(LONG))
          .isEqualTo(
              new TokenOutcome.NoToken(
                  LlmErrorCode.AUTHENTICATION_FAILED,
                  "asking for a token failed: IllegalStateException"));
    }
  }

  private void haveOneToRenew() throws InterruptedException {
    answers.add(ONE);
    tokens.within(LONG);
    now = START.plusSeconds(3_400);
  }

  private SharedToken tokens(Duration patience) {
    TokenSource source =
        () -> {
          asked.incrementAndGet();
          return answers.take();
        };
    return new SharedToken(source, () -> now, patience, SharedToken.PAUSE_AFTER_FAILURE);
  }

  /// Usable from the start for so many seconds, the last five minutes of them while it is renewed.
  private static TokenOutcome.Token token(String value, long seconds) {
    return new TokenOutcome.Token(
        Secret.of(value), START.plusSeconds(seconds), START.plusSeconds(seconds - 300));
  }
}
