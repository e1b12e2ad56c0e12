package org.pgoffload.worker.llm.calls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.pgoffload.protocol.Call;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.delivery.lease.ClaimLostException;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOptions;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.ModelTarget;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.Turn;

class MakeCallsTest {
  private static final CallSettings SETTINGS =
      new CallSettings(
          3,
          Duration.ofMillis(1),
          Duration.ofMillis(2),
          Duration.ofSeconds(7),
          Duration.ofMillis(3),
          CallLimits.NONE,
          Map.of());

  private final MakeCalls make = new MakeCalls(SETTINGS, InstantSource.system(), Telemetry.none());
  private final ScriptedProvider first = new ScriptedProvider("first");
  private final ScriptedProvider second = new ScriptedProvider("second");

  @AfterEach
  void close() {
    make.close();
  }

  @ParameterizedTest
  @EnumSource(
      names = {
        "PROVIDER_ERROR",
        "PROVIDER_OVERLOADED",
        "PROVIDER_UNREACHABLE",
        "CONNECTION_LOST",
        "RESPONSE_STALLED",
        "MALFORMED_RESPONSE"
      })
  void triesAgainWhatMayPass(LlmErrorCode code) throws InterruptedException {
    first.fails(code, null, 2);

    var made = ask(Duration.ofMinutes(1), first);

    assertThat(made.outcome()).isInstanceOf(LlmOutcome.Answered.class);
    assertThat(made.calls())
        .extracting(Call::errorCode)
        .containsExactly(code.code(), code.code(), null);
    assertThat(CallsMade.tokens(made.calls()).input()).isEqualTo(12);
    // a call may not take the whole time that the request has
    assertThat(first.timeouts).allMatch(Duration.ofSeconds(7)::equals);
  }

  @Test
  void givesUpAfterItsTries() throws InterruptedException {
    first.fails(LlmErrorCode.PROVIDER_ERROR, null, 9);

    var made = ask(Duration.ofMinutes(1), first);

    assertThat(made.expired()).isFalse();
    assertThat(error(made)).isEqualTo(LlmErrorCode.PROVIDER_ERROR);
    assertThat(made.calls()).hasSize(3);
  }

  @ParameterizedTest
  @EnumSource(
      names = {
        "AUTHENTICATION_FAILED",
        "PERMISSION_DENIED",
        "MODEL_NOT_FOUND",
        "INVALID_REQUEST",
        "REQUEST_TOO_LARGE",
        "CONTENT_FILTER",
        "REFUSAL",
        "QUOTA_EXHAUSTED"
      })
  void doesNotTryAgainWhatIsFinal(LlmErrorCode code) throws InterruptedException {
    first.fails(code, null, 1);

    assertThat(error(ask(Duration.ofMinutes(1), first))).isEqualTo(code);
    assertThat(first.calls).isOne();
  }

  @Test
  void aRateLimitOnlyDelaysHoweverOftenItRefuses() throws InterruptedException {
    first.fails(LlmErrorCode.RATE_LIMITED, Duration.ofMillis(20), 8);

    var made = ask(Duration.ofMinutes(1), first);

    assertThat(made.outcome()).isInstanceOf(LlmOutcome.Answered.class);
    assertThat(made.calls()).hasSize(9);
  }

  @Test
  void aVendorThatAsksForNoWaitIsNotAskedAgainAtOnce() throws InterruptedException {
    first.fails(LlmErrorCode.RATE_LIMITED, Duration.ZERO, 100_000);
    try (var usual =
        new MakeCalls(CallSettings.DEFAULTS, InstantSource.system(), Telemetry.none())) {
      var made =
          usual.ask(
              call(),
              List.of(new ModelTarget(first, "m")),
              Deadline.in(Duration.ofSeconds(3)),
              PieceListener.NONE,
              new Unseen());

      assertThat(made.expired()).isTrue();
      // at most one in 250 ms, whatever is drawn
      assertThat(made.calls()).hasSizeBetween(2, 12);
    }
  }

  @Test
  void aLackOfFileDescriptorsOnlyDelaysAndIsNotBlamedOnTheVendor() throws InterruptedException {
    first.fails(LlmErrorCode.TOO_MANY_OPEN_FILES, null, 9);

    var made = ask(Duration.ofMinutes(1), first, second);

    assertThat(made.outcome()).isInstanceOf(LlmOutcome.Answered.class);
    assertThat(made.provider()).isEqualTo("first");
    assertThat(made.calls()).hasSize(10);
  }

  @Test
  void beginsNoCallWhenTheTimeIsOver() throws InterruptedException {
    var made = ask(Duration.ofNanos(100), first);

    assertThat(made.expired()).isTrue();
    assertThat(made.calls()).isEmpty();
    assertThat(first.calls).isZero();
  }

  @Test
  void blamesNoLimitWhereTheTimeEndsWhileItWaitsForTheNextTry() throws InterruptedException {
    first.fails(LlmErrorCode.PROVIDER_ERROR, null, 9);
    var deadline = Deadline.in(Duration.ofSeconds(2));

    var made =
        make.ask(
            call(),
            List.of(new ModelTarget(first, "m")),
            deadline,
            PieceListener.NONE,
            new Unseen() {
              @Override
              public void waits(Duration atLeast) {
                if (atLeast.isPositive()) {
                  await().until(deadline::hasPassed);
                }
              }
            });

    assertThat(made.expired()).isTrue();
    assertThat(error(made)).isEqualTo(LlmErrorCode.PROVIDER_ERROR);
    assertThat(made.calls()).hasSize(1);
  }

  @Test
  void doesNotWaitForWhatCanOnlyComeTooLate() throws InterruptedException {
    first.fails(LlmErrorCode.RATE_LIMITED, Duration.ofHours(1), 1);

    var made = ask(Duration.ofSeconds(30), first);

    assertThat(made.expired()).isTrue();
    assertThat(error(made)).isEqualTo(LlmErrorCode.RATE_LIMITED);
  }

  @Test
  void saysAtOnceThatTheModelIsClosedForLongerThanTheRequestHas() throws InterruptedException {
    first.fails(LlmErrorCode.RATE_LIMITED, Duration.ofHours(1), 1);
    ask(Duration.ofSeconds(30), first);

    var made = ask(Duration.ofSeconds(30), first);

    assertThat(made.expired()).isTrue();
    assertThat(made.calls()).isEmpty();
    assertThat(error(made)).isEqualTo(LlmErrorCode.RATE_LIMITED);
  }

  @Test
  void asksTheFallbackWhenTheFirstIsDown() throws InterruptedException {
    first.fails(LlmErrorCode.PROVIDER_UNREACHABLE, null, 9);

    var made = ask(Duration.ofMinutes(1), first, second);

    assertThat(made.provider()).isEqualTo("second");
    assertThat(made.calls())
        .extracting(Call::provider)
        .containsExactly("first", "first", "first", "second");
  }

  @Test
  void asksTheFallbackAtOnceWhenTheFirstIsOutOfQuotaOrKnownToBeDown() throws InterruptedException {
    first.fails(LlmErrorCode.QUOTA_EXHAUSTED, null, 1);

    assertThat(ask(Duration.ofMinutes(1), first, second).calls())
        .extracting(Call::provider)
        .containsExactly("first", "second");
    assertThat(ask(Duration.ofMinutes(1), first, second).calls())
        .extracting(Call::provider)
        .containsExactly("second");
  }

  @Test
  void asksTheFallbackWhenTheWaitIsLongerThanTheRequestHas() throws InterruptedException {
    first.fails(LlmErrorCode.RATE_LIMITED, Duration.ofHours(1), 1);

    assertThat(ask(Duration.ofMinutes(1), first, second).provider()).isEqualTo("second");
    assertThat(ask(Duration.ofMinutes(1), first, second).calls()).hasSize(1);
  }

  @Test
  void aQuestionThatIsRefusedIsNotAskedOfAnother() throws InterruptedException {
    first.fails(LlmErrorCode.INVALID_REQUEST, null, 1);

    assertThat(error(ask(Duration.ofMinutes(1), first, second)))
        .isEqualTo(LlmErrorCode.INVALID_REQUEST);
    assertThat(second.calls).isZero();
  }

  @Test
  void whatTheFallbackCannotDoIsLeftToTheNext() throws InterruptedException {
    var third = new ScriptedProvider("third");
    first.fails(LlmErrorCode.QUOTA_EXHAUSTED, null, 1);
    second.fails(LlmErrorCode.UNSUPPORTED_OPTION, null, 1);

    assertThat(ask(Duration.ofMinutes(1), first, second, third).provider()).isEqualTo("third");
  }

  @Test
  void tellsWhatItDoes() throws InterruptedException {
    var told = new ArrayList<String>();
    first.fails(LlmErrorCode.PROVIDER_ERROR, null, 1);

    make.ask(
        call(),
        List.of(new ModelTarget(first, "m")),
        Deadline.in(Duration.ofMinutes(1)),
        PieceListener.NONE,
        new CallProgress() {
          @Override
          public void waits(Duration atLeast) {
            told.add("waits");
          }

          @Override
          public void waitsForTurn(Duration atLeast) {
            told.add("waits for its turn");
          }

          @Override
          public boolean mayCall(Duration patience) {
            told.add("may");
            return true;
          }

          @Override
          public void calls(ModelTarget target) {
            told.add("calls " + target);
          }

          @Override
          public void called(Call call) {
            told.add("called");
          }
        });

    assertThat(told)
        .containsExactly(
            "waits for its turn",
            "may",
            "calls first:m",
            "called",
            "waits",
            "waits for its turn",
            "may",
            "calls first:m",
            "called");
  }

  @Test
  void aClaimThatIsLostBetweenTwoTriesEndsThemAndGivesItsTurnBack() throws InterruptedException {
    var one =
        new CallSettings(
            3,
            Duration.ofMillis(1),
            Duration.ofMillis(2),
            Duration.ofSeconds(7),
            Duration.ofMillis(3),
            new CallLimits(1, null, null),
            Map.of());
    try (var narrow = new MakeCalls(one, InstantSource.system(), Telemetry.none())) {
      first.fails(LlmErrorCode.PROVIDER_ERROR, null, 1);
      assertThatThrownBy(() ->
              narrow.ask(
                  call(),
                  List.of(new ModelTarget(first, "m"), new ModelTarget(second, "m")),
                  Deadline.in(Duration.ofMinutes(1)),
                  PieceListener.NONE,
                  new MayCall(() -> first.calls == 0)))
          .isInstanceOf(ClaimLostException.class);
      assertThat(first.calls).isEqualTo(1);
      assertThat(second.calls).isZero();
      var next =
          narrow.ask(
              call(),
              List.of(new ModelTarget(first, "m")),
              Deadline.in(Duration.ofMinutes(1)),
              PieceListener.NONE,
              new Unseen());
      assertThat(next.outcome()).isInstanceOf(LlmOutcome.Answered.class);
    }
  }

  private CallsMade ask(Duration time, ScriptedProvider... providers) throws InterruptedException {
    return make.ask(
        call(),
        Arrays.stream(providers).map(provider -> new ModelTarget(provider, "m")).toList(),
        Deadline.in(time),
        PieceListener.NONE,
        new Unseen());
  }

  private static LlmCall call() {
    return new LlmCall(
        1,
        null,
        null,
        List.of(Turn.user("Why?")),
        LlmOptions.DEFAULTS,
        false,
        Duration.ofMillis(1));
  }

  private static LlmErrorCode error(CallsMade made) {
    if (made.outcome() instanceof LlmOutcome.Failed failed) {
      return failed.error().code();
    }
    throw new AssertionError("not failed: " + made);
  }
}
