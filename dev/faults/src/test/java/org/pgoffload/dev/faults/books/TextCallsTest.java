package org.pgoffload.dev.faults.books;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.faults.installation.CallLedger.Calls;

class TextCallsTest {
  @Test
  void anOvertakenTextNeedsNoCall() {
    var calls = TextCalls.check(Set.of(2), Set.of(), Map.of(2, new Calls(1, 1)), Map.of(), 0);

    assertThat(calls.problems()).isEmpty();
    assertThat(calls.necessary()).isEqualTo(1);
  }

  @Test
  void theLastTextOfARowNeedsACall() {
    var calls = TextCalls.check(Set.of(2), Set.of(), Map.of(1, new Calls(1, 1)), Map.of(), 0);

    assertThat(calls.problems())
        .containsExactly("text 2 is the last of its row, and was never asked about");
  }

  @Test
  void nobodyAsksAboutWhatWasRolledBack() {
    var calls = TextCalls.check(Set.of(), Set.of(3), Map.of(3, new Calls(1, 0)), Map.of(), 0);

    assertThat(calls.problems()).containsExactly("text 3 was rolled back, and asked about");
  }

  @Test
  void twoPercentMayBeInVainBesideWhatWasUnderWay() {
    var ledger = new HashMap<Integer, Calls>();
    for (int i = 0; i < 100; i++) {
      ledger.put(i, new Calls(2, i < 5 ? 2 : 1));
    }

    assertThat(TextCalls.check(Set.of(), Set.of(), ledger, Map.of(), 3).problems()).isEmpty();
    assertThat(TextCalls.check(Set.of(), Set.of(), ledger, Map.of(), 2).problems()).hasSize(1);
  }

  @Test
  void anAnswerThatCameTooLateIsNotInVainAsLongAsTheResultTells() {
    var ledger = Map.of(1, new Calls(3, 3));

    var told = TextCalls.check(Set.of(1), Set.of(), ledger, Map.of(1, 2), 0);

    assertThat(told.problems()).isEmpty();
    assertThat(told.givenUp()).isEqualTo(2);
    assertThat(TextCalls.check(Set.of(1), Set.of(), ledger, Map.of(1, 1), 0).inVain()).isEqualTo(1);
  }
}
