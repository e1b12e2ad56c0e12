package org.pgoffload.worker.llm.calls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Call;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.delivery.lease.ClaimLostException;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.ModelTarget;

/// The provider takes four texts at a time.
class EmbedTogetherTest {
  /// Long enough that those who come at once are together, whatever the machine does.
  private static final CallSettings SETTINGS =
      new CallSettings(
          3,
          Duration.ofMillis(1),
          Duration.ofMillis(2),
          Duration.ofSeconds(7),
          Duration.ofMillis(300),
          CallLimits.NONE,
          Map.of());

  private final MakeCalls make = new MakeCalls(SETTINGS, InstantSource.system(), Telemetry.none());
  private final EmbedTogether embed = new EmbedTogether(make, SETTINGS);
  private final ScriptedProvider provider = new ScriptedProvider("p");

  @AfterEach
  void close() {
    embed.close();
    make.close();
  }

  @Test
  void embedsTheTextsOfSeveralRequestsInOneCall() throws Exception {
    var made = atOnce(List.of("1"), List.of("2", "3"));

    assertThat(provider.embedded).hasSize(1);
    assertThat(vectors(made.get(0))).containsExactly(1f);
    assertThat(vectors(made.get(1))).containsExactly(2f, 3f);
    // 21 tokens, shared by the length of the texts
    assertThat(made).allMatch(each -> each.calls().size() == 1);
    assertThat(made.stream().mapToLong(each -> CallsMade.tokens(each.calls()).input()).sum())
        .isEqualTo(21);
  }

  @Test
  void splitsWhatIsMoreThanOneCallTakesAndKeepsTheOrder() throws Exception {
    var made = atOnce(List.of("1", "2", "3", "4", "5", "6", "7", "8", "9"));

    assertThat(provider.embedded).hasSize(3);
    assertThat(vectors(made.getFirst())).containsExactly(1f, 2f, 3f, 4f, 5f, 6f, 7f, 8f, 9f);
    assertThat(made.getFirst().calls()).hasSize(3);
  }

  @Test
  void keepsToTheProvidersLimits() throws Exception {
    var made = atOnce(List.of("1", "2", "3"), List.of("4", "5", "6"), List.of("7", "8", "9"));

    assertThat(provider.embedded).allMatch(inputs -> inputs.size() <= 4);
    assertThat(made.stream().map(EmbedTogetherTest::vectors).flatMap(List::stream).sorted())
        .containsExactly(1f, 2f, 3f, 4f, 5f, 6f, 7f, 8f, 9f);
  }

  @Test
  void aTextThatSpoilsItsCallSpoilsOnlyItsOwnRequest() throws Exception {
    var made = atOnce(List.of("1"), List.of("bad"), List.of("3"));

    assertThat(vectors(made.get(0))).containsExactly(1f);
    assertThat(made.get(1).outcome()).isInstanceOf(LlmOutcome.Failed.class);
    assertThat(vectors(made.get(2))).containsExactly(3f);
  }

  @Test
  void triesAgainWhatMayPass() throws Exception {
    provider.fails(LlmErrorCode.PROVIDER_ERROR, null, 1);

    var made = atOnce(List.of("1"));

    assertThat(vectors(made.getFirst())).containsExactly(1f);
    assertThat(made.getFirst().calls())
        .extracting(Call::errorCode)
        .containsExactly("provider_error", null);
  }

  @Test
  void expiresAloneWhenItHasLessTimeThanTheOthers() throws Exception {
    var target = new ModelTarget(provider, "m");

    var made =
        embed.embed(List.of("1"), null, target, Deadline.in(Duration.ofMillis(10)), new Unseen());

    assertThat(made.expired()).isTrue();
  }

  @Test
  void tellsTheCallsOfARequestThatExpires() throws Exception {
    provider.fails(LlmErrorCode.PROVIDER_ERROR, null, 9);
    var deadline = Deadline.in(Duration.ofSeconds(3));
    var begun = new AtomicInteger();
    var untilItIsTooLate =
        new MayCall(() -> {
          if (begun.incrementAndGet() == 2) {
            await().until(deadline::hasPassed);
          }
          return true;
        });

    var made =
        embed.embed(List.of("1"), null, new ModelTarget(provider, "m"), deadline, untilItIsTooLate);

    assertThat(made.expired()).isTrue();
    assertThat(made.calls()).extracting(Call::errorCode).containsExactly("provider_error");
    assertThat(made.outcome()).isInstanceOf(LlmOutcome.Failed.class);
  }

  @Test
  void embedsWithoutTheTextsOfARequestThatWasTakenOver() throws Exception {
    // before the second try, which is another call
    provider.fails(LlmErrorCode.PROVIDER_ERROR, null, 1);
    var lost = new MayCall(() -> provider.embedded.isEmpty());

    var made = atOnce(List.of(List.of("1"), List.of("2")), List.of(new Unseen(), lost));

    assertThat(vectors(made.getFirst().get())).containsExactly(1f);
    assertThatThrownBy(() -> made.getLast().get()).hasCauseInstanceOf(ClaimLostException.class);
    assertThat(provider.embedded).hasSize(2).last().isEqualTo(List.of("1"));
  }

  @SafeVarargs
  private List<CallsMade> atOnce(List<String>... requests) throws Exception {
    var unseen = Collections.<CallProgress>nCopies(requests.length, new Unseen());
    var all = new ArrayList<List<String>>();
    for (var inputs : requests) {
      all.add(inputs);
    }
    var made = new ArrayList<CallsMade>();
    for (var each : atOnce(all, unseen)) {
      made.add(each.get());
    }
    return made;
  }

  /// All have ended.
  private List<Future<CallsMade>> atOnce(
      List<List<String>> requests, List<? extends CallProgress> progress) {
    var target = new ModelTarget(provider, "m");
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var running = new ArrayList<Future<CallsMade>>();
      for (int i = 0; i < requests.size(); i++) {
        var inputs = requests.get(i);
        var its = progress.get(i);
        Callable<CallsMade> one =
            () -> embed.embed(inputs, null, target, Deadline.in(Duration.ofMinutes(1)), its);
        running.add(threads.submit(one));
      }
      return running;
    }
  }

  private static List<Float> vectors(CallsMade made) {
    if (made.outcome() instanceof LlmOutcome.Embedded embedded) {
      return embedded.vectors().stream().map(vector -> vector[0]).toList();
    }
    throw new AssertionError("not embedded: " + made);
  }
}
