package org.pgoffload.worker.llm.calls;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Origin;
import org.pgoffload.worker.models.RateLimit;
import org.pgoffload.worker.models.Usage;

/// In simulated time: the same course of events in every run.
class AdaptiveRateLimiterTest {
  private static final Duration LATENCY = Duration.ofMillis(100);
  private static final Duration LONG = Duration.ofHours(1);

  @ParameterizedTest
  @CsvSource({
    "3, PT1S, false",
    "20, PT0.1S, false",
    "200, PT1S, false",
    "200, PT0.5S, true",
    "1000, PT1S, true",
    "200, , false",
    "20, , true"
  })
  void findsTheVendorsPace(double perSecond, Duration retryAfter, boolean tells) {
    var vendor = new SimulatedVendor(perSecond, LATENCY, retryAfter, tells);
    var limit = vendor.limit(CallLimits.NONE);
    int wanted = (int) (perSecond * 60);
    for (int i = 0; i < wanted; i++) {
      vendor.want(limit);
    }

    vendor.runFor(LONG);

    assertThat(vendor.answered).isEqualTo(wanted);
    // a minute would be as fast as the vendor allows
    assertThat(vendor.lastAnswer()).isLessThan(Duration.ofSeconds(105));
    assertThat(vendor.refusedAfter(Duration.ofSeconds(3))).isLessThan(Math.max(10, wanted / 50));
  }

  @Test
  void keepsTheConfiguredRateAndSharesItWithTheOtherWorkers() {
    var vendor = new SimulatedVendor(10_000, LATENCY, null, false);
    var limit = vendor.limit(new CallLimits(null, 600, null));
    limit.shareWith(2);
    for (int i = 0; i < 100; i++) {
      vendor.want(limit);
    }

    vendor.runFor(LONG);

    assertThat(vendor.refusedAt).isEmpty();
    assertThat(vendor.lastAnswer()).isBetween(Duration.ofSeconds(19), Duration.ofSeconds(21));
  }

  /// The words are those of `pgoffload.pace_of`.
  @Test
  void tellsWhatTheNextCallWaitsFor() {
    var vendor = new SimulatedVendor(10_000, LATENCY, null, false);
    assertThat(vendor.limit(CallLimits.NONE).told().why()).isNull();

    var paced = vendor.limit(new CallLimits(null, 60, null));
    vendor.want(paced);
    vendor.want(paced);
    assertThat(paced.told().why()).isEqualTo("requests_per_minute");
    assertThat(paced.told().waiting()).isEqualTo(1);
    assertThat(paced.told().calling()).isEqualTo(1);
    assertThat(paced.told().perSecond()).isEqualTo(1.0);
    assertThat(paced.told().delay()).isBetween(Duration.ofMillis(1), Duration.ofSeconds(1));

    var tokens = vendor.limit(new CallLimits(null, null, 60));
    for (int i = 0; i < 3; i++) {
      vendor.want(tokens);
    }
    assertThat(tokens.told().why()).isEqualTo("tokens_per_minute");

    var one = vendor.limit(new CallLimits(1, null, null));
    vendor.want(one);
    vendor.want(one);
    assertThat(one.told().why()).isEqualTo("concurrency");

    var refused = vendor.limit(CallLimits.NONE);
    var permit = refused.want(1).join();
    refused.ended(
        permit,
        new LlmOutcome.Failed(
            new LlmError(LlmErrorCode.RATE_LIMITED, "no", null, Duration.ofMinutes(2), null),
            "m",
            Usage.NONE,
            List.of()));
    var _ = refused.want(1);
    assertThat(refused.told().why()).isEqualTo("vendor_asked");
    assertThat(refused.told().delay()).isEqualTo(Duration.ofMinutes(2));
  }

  @Test
  void beginsNoCallWhileItIsPaused() {
    var vendor = new SimulatedVendor(10_000, LATENCY, null, false);
    var limit = vendor.limit(CallLimits.NONE);
    vendor.want(limit);
    limit.pause(true);
    vendor.want(limit);
    vendor.want(limit);
    assertThat(limit.told().why()).isEqualTo("paused");
    assertThat(limit.told().waiting()).isEqualTo(2);
    vendor.runFor(Duration.ofMinutes(1));
    // the one that was under way has gone on
    assertThat(vendor.answered).isEqualTo(1);
    limit.pause(false);
    vendor.runFor(Duration.ofMinutes(1));
    assertThat(vendor.answered).isEqualTo(3);
  }

  @Test
  void keepsTheConfiguredTokens() {
    var vendor = new SimulatedVendor(10_000, LATENCY, null, false);
    // ten tokens each: 100 calls are 1,000 tokens, of which 5 seconds' worth may go at once
    var limit = vendor.limit(new CallLimits(null, null, 3_000));
    for (int i = 0; i < 100; i++) {
      vendor.want(limit);
    }

    vendor.runFor(LONG);

    assertThat(vendor.lastAnswer()).isBetween(Duration.ofSeconds(14), Duration.ofSeconds(16));
  }

  @Test
  void anAbsurdCountClosesTheModelForMinutesOnly() {
    var vendor = new SimulatedVendor(10_000, LATENCY, null, false);
    var limit = vendor.limit(new CallLimits(null, null, 3_000));
    var absurd = new Usage(1_000_000_000, 0, 1_000_000_000, 0);
    limit.ended(
        limit.want(1).join(),
        new LlmOutcome.Answered(
            "a", FinishReason.STOP, new Origin("p", "m", null), absurd, List.of()));

    var next = limit.want(1);

    vendor.runFor(Duration.ofMinutes(9));
    assertThat(next).isNotDone();
    vendor.runFor(Duration.ofMinutes(2));
    assertThat(next).isDone();
  }

  @Test
  void keepsTheConfiguredConcurrency() {
    var vendor = new SimulatedVendor(10_000, Duration.ofSeconds(1), null, false);
    var limit = vendor.limit(new CallLimits(5, null, null));
    for (int i = 0; i < 50; i++) {
      vendor.want(limit);
    }

    vendor.runFor(LONG);

    assertThat(vendor.lastAnswer()).isEqualTo(Duration.ofSeconds(10));
  }

  @Test
  void obeysRetryAfterInFullForEverybody() {
    var vendor = new SimulatedVendor(10_000, LATENCY, null, false);
    var limit = vendor.limit(CallLimits.NONE);
    vendor.refuseNext(Duration.ofSeconds(40));
    vendor.want(limit);
    vendor.wantAt(Duration.ofSeconds(10), limit);

    vendor.runFor(LONG);

    assertThat(vendor.answered).isEqualTo(2);
    assertThat(vendor.firstAnswer()).isGreaterThanOrEqualTo(Duration.ofSeconds(40));
  }

  @Test
  void pausesAfterARefusalThatAsksForNoWait() {
    for (var wait : new Duration[] {null, Duration.ZERO, Duration.ofMillis(1)}) {
      var limit = new AdaptiveRateLimiter(CallLimits.NONE, () -> 0, (_, _) -> {});

      limit.ended(
          limit.want(1).join(),
          new LlmOutcome.Failed(
              new LlmError(LlmErrorCode.RATE_LIMITED, "words", 429, wait, null),
              "m",
              Usage.NONE,
              List.of()));

      assertThat(limit.closedFor()).isEqualTo(Duration.ofMillis(250));
    }
  }

  @Test
  void waitsForWhatAReplySaidIsLeft() {
    var vendor = new SimulatedVendor(10_000, LATENCY, null, false);
    var limit = vendor.limit(CallLimits.NONE);
    vendor.tellNext(new RateLimit(RateLimit.Unit.TOKENS, 1_000L, 0, Duration.ofSeconds(60)));
    vendor.want(limit);
    vendor.wantAt(Duration.ofSeconds(1), limit);

    vendor.runFor(LONG);

    // ten tokens of a thousand are there after a hundredth of the minute
    assertThat(vendor.refusedAt).isEmpty();
    assertThat(vendor.lastAnswer()).isBetween(Duration.ofSeconds(1), Duration.ofSeconds(2));
  }

  @Test
  void whoGivesUpTakesNothing() throws InterruptedException {
    var limit =
        new AdaptiveRateLimiter(new CallLimits(1, null, null), System::nanoTime, (_, _) -> {});
    var first = Objects.requireNonNull(limit.acquire(1, LONG));

    assertThat(limit.acquire(1, Duration.ofMillis(1))).isNull();
    limit.giveBack(first);

    assertThat(limit.acquire(1, Duration.ZERO)).isNotNull();
  }

  @Test
  void isToBeAvoidedWhileItIsDownOrOutOfQuota() {
    var down = new AdaptiveRateLimiter(CallLimits.NONE, System::nanoTime, (_, _) -> {});
    for (int i = 0; i < 4; i++) {
      fail(down, LlmErrorCode.PROVIDER_UNREACHABLE);
      assertThat(down.isToBeAvoided()).isFalse();
    }
    fail(down, LlmErrorCode.PROVIDER_ERROR);
    assertThat(down.isToBeAvoided()).isTrue();

    var broke = new AdaptiveRateLimiter(CallLimits.NONE, System::nanoTime, (_, _) -> {});
    fail(broke, LlmErrorCode.INVALID_REQUEST);
    assertThat(broke.isToBeAvoided()).isFalse();
    fail(broke, LlmErrorCode.QUOTA_EXHAUSTED);
    assertThat(broke.isToBeAvoided()).isTrue();
  }

  @Test
  void theWaitsBetweenTriesGrowAndAreDrawnEvenly() {
    var backoff = new Backoff(Duration.ofMillis(100), Duration.ofSeconds(1));
    for (int tries = 1; tries <= 70; tries++) {
      var waits = new ArrayList<Duration>();
      for (int i = 0; i < 200; i++) {
        waits.add(backoff.after(tries));
      }
      long most = Math.min(1_000, tries > 20 ? 1_000 : 100L << (tries - 1));
      assertThat(waits).allMatch(wait -> !wait.isNegative() && wait.toMillis() <= most);
      assertThat(waits).anyMatch(wait -> wait.toMillis() > most / 2);
      assertThat(waits).anyMatch(wait -> wait.toMillis() < most / 2);
    }
  }

  private static void fail(AdaptiveRateLimiter limit, LlmErrorCode code) {
    var permit = limit.want(1).join();
    limit.ended(
        permit,
        new LlmOutcome.Failed(
            new LlmError(code, "words", null, null, null), "m", Usage.NONE, List.of()));
  }
}
