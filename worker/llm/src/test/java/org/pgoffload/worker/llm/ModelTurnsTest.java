package org.pgoffload.worker.llm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.pgoffload.worker.delivery.scheduling.Pausable;
import org.pgoffload.worker.delivery.scheduling.Pauses;
import org.pgoffload.worker.delivery.scheduling.RequestScheduler;

final class ModelTurnsTest {
  private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");

  private final Map<String, Integer> allowances = new HashMap<>();
  private final RequestScheduler<String> choose =
      new RequestScheduler<>(
          new ModelTurns(4, model -> allowances.getOrDefault(model, 100)),
          RequestScheduler.KeyOrder.UNTIL_IT_HAS_BEGUN);

  private void add(String model, @Nullable String orderingKey, long... ids) {
    for (long id : ids) {
      choose.add(id, model, Pausable.ofModel("p", model), orderingKey, NOW.plusSeconds(id));
    }
  }

  private List<Long> chosen() {
    return choose.choose(100, NOW);
  }

  @Test
  void modelsTakeTurnsAndTheRequestsOfOneKeepTheirOrder() {
    add("a", null, 1, 2, 3);
    add("b", null, 4, 5);
    add("c", null, 6);
    assertThat(choose.choose(4, NOW)).containsExactly(1L, 4L, 6L, 2L);
    assertThat(chosen()).containsExactly(5L, 3L);
    assertThat(choose.hasWaiting()).isFalse();
  }

  @Test
  void aModelThatMayBeginNothingMoreStopsNoOther() {
    allowances.put("a", 1);
    add("a", null, 1, 2, 3);
    add("b", null, 4, 5);
    assertThat(chosen()).containsExactly(1L, 4L, 5L);
    allowances.put("a", 0);
    assertThat(chosen()).isEmpty();
    add("b", null, 6);
    assertThat(chosen()).containsExactly(6L);
    allowances.put("a", 100);
    assertThat(chosen()).containsExactly(2L, 3L);
  }

  @Test
  void tellsWhatWaitsForWhichModel() {
    add("a", null, 1, 2, 3, 4, 5, 6);
    add("b", null, 7);
    assertThat(chosen()).hasSize(5);
    add("c", "k", 8, 9);
    var told = JsonNodeFactory.instance.objectNode();
    choose.tell(told);
    // one of c waits for the other
    assertThat(told.toString())
        .isEqualTo("{\"waiting\":4,\"places\":{\"a\":[2,4,5],\"c\":[1,0,8]}}");
  }

  @Test
  void aModelHasNoMoreThanItsPlaces() {
    add("a", null, 1, 2, 3, 4, 5, 6);
    assertThat(chosen()).containsExactly(1L, 2L, 3L, 4L);
    choose.finished(2);
    choose.held(3);
    assertThat(chosen()).containsExactly(5L, 6L);
  }

  @Test
  void whatIsPutBackIsTheNextOfItsModel() {
    add("a", null, 1, 2, 3);
    assertThat(choose.choose(2, NOW)).containsExactly(1L, 2L);
    choose.putBack(1);
    assertThat(chosen()).containsExactly(1L, 3L);
  }

  @Test
  void requestsOfOneOrderingKeyBeginInTheirOrderWhateverTheirModels() {
    allowances.put("a", 0);
    add("a", "k", 1);
    add("b", "k", 2);
    add("b", null, 3);
    assertThat(chosen()).containsExactly(3L);
    allowances.put("a", 100);
    assertThat(chosen()).containsExactly(1L, 2L);
  }

  @Test
  void whatIsPutBackIsNotOvertakenByTheNextOfItsKey() {
    add("a", "k", 1);
    add("b", "k", 2);
    add("b", null, 3);
    assertThat(choose.choose(1, NOW)).containsExactly(1L);
    choose.putBack(1);
    allowances.put("a", 0);
    assertThat(chosen()).containsExactly(3L);
    allowances.put("a", 100);
    assertThat(chosen()).containsExactly(1L, 2L);
    assertThat(choose.delayedWith(List.of(1L), List.of(3L, 2L, 1L))).containsExactly(2L, 1L);
    assertThat(choose.delayedWith(List.of(2L), List.of(1L, 2L, 3L))).containsExactly(2L);
  }

  @Test
  void longOrderingKeysAreToldApart() {
    add("a", "k".repeat(1000) + "1", 1);
    add("a", "k".repeat(1000) + "2", 2);
    add("b", "k".repeat(1000) + "1", 3);
    allowances.put("a", 0);
    assertThat(chosen()).isEmpty();
    allowances.put("a", 1);
    assertThat(chosen()).containsExactly(1L, 3L);
    assertThat(chosen()).containsExactly(2L);
  }

  @Test
  void whatOnlyEndsLeavesHalfOfAChoiceToWhatBegins() {
    allowances.put("a", 0);
    for (long id = 1; id <= 6; id++) {
      choose.add(id, "a", Pausable.NOTHING, null, NOW);
    }
    add("b", null, 7, 8, 9);
    assertThat(choose.choose(4, NOW)).containsExactly(1L, 2L, 7L, 8L);
    assertThat(choose.choose(4, NOW)).containsExactly(3L, 4L, 9L, 5L);
    assertThat(chosen()).containsExactly(6L);
  }

  @Test
  void whatOnlyEndsIsChosenWhateverItsModelHas() {
    allowances.put("a", 0);
    add("a", null, 1, 2, 3);
    choose.end(2);
    assertThat(chosen()).containsExactly(2L);
    assertThat(choose.choose(100, NOW.plusSeconds(1))).containsExactly(1L);
    assertThat(choose.hasWaiting()).isTrue();
  }

  private static Pauses paused(@Nullable String provider, @Nullable String model) {
    return new Pauses(List.of(new Pauses.Pause(provider, model, null)));
  }

  @Test
  void aPausedModelBeginsNothingAndKeepsNoOtherWaiting() {
    add("a", null, 1, 2);
    choose.pause(paused("p", "a"));
    add("a", null, 3);
    add("b", null, 4, 5);
    assertThat(chosen()).containsExactly(4L, 5L);
    assertThat(choose.hasWaiting()).isTrue();
    assertThat(choose.isPaused(1)).isTrue();
    assertThat(choose.isPaused(4)).isFalse();
    choose.pause(Pauses.NONE);
    assertThat(chosen()).containsExactly(1L, 2L, 3L);
  }

  @Test
  void whatIsPausedIsNamedByProviderOrModelOrBoth() {
    add("a", null, 1);
    choose.pause(paused(null, "a"));
    assertThat(chosen()).isEmpty();
    choose.pause(paused("p", null));
    assertThat(chosen()).isEmpty();
    choose.pause(paused("other", "a"));
    assertThat(chosen()).containsExactly(1L);
  }

  @Test
  void whatWasChosenWhenItsModelWasPausedWaitsOnceItIsPutBack() {
    add("a", null, 1, 2);
    assertThat(chosen()).containsExactly(1L, 2L);
    choose.pause(paused("p", "a"));
    choose.putBack(2);
    assertThat(chosen()).isEmpty();
    choose.pause(Pauses.NONE);
    assertThat(chosen()).containsExactly(2L);
  }

  @Test
  void aPausedRequestEndsAtItsDeadlineAndWhenItIsCancelled() {
    choose.pause(paused("p", "a"));
    add("a", null, 1, 2, 3);
    choose.end(3);
    assertThat(choose.choose(100, NOW.plusSeconds(1))).containsExactlyInAnyOrder(1L, 3L);
    assertThat(choose.isPaused(1)).isFalse();
  }

  @Test
  void aPausedRequestKeepsTheLaterOnesOfItsOrderingKeyWaiting() {
    choose.pause(paused("p", "a"));
    add("a", "k", 1);
    add("b", "k", 2);
    add("b", null, 3);
    assertThat(chosen()).containsExactly(3L);
    choose.pause(Pauses.NONE);
    assertThat(chosen()).containsExactly(1L, 2L);
  }
}
