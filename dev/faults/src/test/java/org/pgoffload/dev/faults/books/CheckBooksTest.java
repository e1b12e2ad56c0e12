package org.pgoffload.dev.faults.books;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.faults.books.Asked.Fate;
import org.pgoffload.dev.faults.books.Asked.Kind;
import org.pgoffload.dev.faults.books.Found.Ending;
import org.pgoffload.dev.faults.books.Found.Row;
import org.pgoffload.dev.faults.installation.CallLedger.Calls;

/// Books that balance, and what tampering with them shows.
class CheckBooksTest {
  private static final Ending SUCCEEDED = new Ending("succeeded", "", 0, -1);
  private static final Ending UNKNOWN = new Ending("failed", "08006", 0, -1);

  /// 0 LLM, 1 SQL, 2 rolled back, 3 autocommit of unknown outcome, 4 a commit nobody knows of.
  private static final List<Asked> JOURNAL =
      List.of(
          new Asked(0, Kind.LLM_INSERTED, Fate.ACCEPTED),
          new Asked(1, Kind.SQL_INSERTED, Fate.ACCEPTED),
          new Asked(2, Kind.SQL_INSERTED, Fate.ROLLED_BACK),
          new Asked(3, Kind.AUTOCOMMIT_LAUNCHED, Fate.ACCEPTED),
          new Asked(4, Kind.LLM_INSERTED, Fate.UNCERTAIN));

  private final Map<Integer, Row> rows =
      new HashMap<>(Map.of(0, new Row(10, 0), 1, new Row(11, 1), 3, new Row(13, 3)));
  private final Map<Long, Ending> results =
      new HashMap<>(Map.of(10L, SUCCEEDED, 11L, SUCCEEDED, 13L, UNKNOWN));
  private final Map<Integer, Integer> effects = new HashMap<>(Map.of(1, 1, 3, 1));
  private final Map<Long, String> published =
      new HashMap<>(Map.of(10L, "succeeded", 11L, "succeeded", 13L, "failed"));
  private final Map<Integer, Calls> calls = new HashMap<>(Map.of(0, new Calls(1, 1)));

  private Balance check(int repeatable, boolean mayRefuse) {
    return CheckBooks.check(
        JOURNAL,
        new Found(List.copyOf(rows.values()), results, effects, published, Set.of(), calls),
        repeatable,
        mayRefuse);
  }

  private Balance check() {
    return check(0, false);
  }

  @Test
  void balancesWhenAllIsAsItShouldBe() {
    var balance = check();
    assertThat(balance.balances()).isTrue();
    assertThat(balance.requests()).isEqualTo(5);
    assertThat(balance.endings()).isEqualTo(Map.of("succeeded", 2, "failed 08006", 1));
  }

  @Test
  void countsARequestWithoutResultAsLost() {
    results.remove(10L);
    assertThat(check().lost()).hasSize(1);
  }

  @Test
  void countsARequestWithoutRowAsLost() {
    rows.remove(0);
    assertThat(check().lost()).hasSize(1);
  }

  @Test
  void countsASuccessWithoutEffectAsLost() {
    effects.remove(1);
    assertThat(check().lost()).hasSize(1);
  }

  @Test
  void takesAnUncertainCommitEitherWayButWantsItWhole() {
    rows.put(4, new Row(14, 4));
    assertThat(check().lost()).hasSize(1);
    results.put(14L, SUCCEEDED);
    published.put(14L, "succeeded");
    calls.put(4, new Calls(1, 1));
    assertThat(check().balances()).isTrue();
  }

  @Test
  void countsASecondEffectAsDuplicated() {
    effects.put(1, 2);
    assertThat(check().duplicated()).hasSize(1);
  }

  @Test
  void countsASecondEffectOfACommandThatWasBrokenOffAsDuplicated() {
    effects.put(3, 2);
    assertThat(check().duplicated()).hasSize(1);
  }

  @Test
  void takesAnUnknownOutcomeWithoutEffect() {
    effects.remove(3);
    assertThat(check().balances()).isTrue();
  }

  @Test
  void countsAnEffectOfAFailedTaskAsDuplicated() {
    results.put(11L, new Ending("failed", "57014", 0, -1));
    published.put(11L, "failed");
    assertThat(check().duplicated()).hasSize(1);
  }

  @Test
  void countsWhatARollbackLeavesAsDuplicated() {
    rows.put(2, new Row(12, 2));
    effects.put(2, 1);
    assertThat(check().duplicated()).hasSize(2);
  }

  @Test
  void countsWhatNobodyAskedForAsDuplicated() {
    rows.put(900, new Row(900, 900));
    effects.put(901, 1);
    calls.put(902, new Calls(1, 0));
    assertThat(check().duplicated()).hasSize(3);
  }

  @Test
  void countsCallsAnsweredInVainBeyondThoseUnderWay() {
    calls.put(0, new Calls(3, 3));
    assertThat(check(2, false).balances()).isTrue();
    assertThat(check(1, false).duplicated()).hasSize(1);
  }

  @Test
  void countsNoCallThatItsWorkerTellsToHaveGivenUp() {
    calls.put(0, new Calls(2, 2));
    results.put(10L, new Ending("succeeded", "", 1, -1));
    assertThat(check().balances()).isTrue();
  }

  @Test
  void countsASuccessThatTheModelDidNotAnswerAsDuplicated() {
    calls.remove(0);
    assertThat(check().duplicated()).hasSize(1);
  }

  @Test
  void seesThatTheTopicSaysSomethingElse() {
    published.put(10L, "failed");
    published.remove(11L);
    assertThat(check().disagreeing()).hasSize(2);
  }

  @Test
  void takesALostLaunchOnlyWhereItMayBeLostAndNothingElse() {
    var nothing = new Found(List.of(), Map.of(), Map.of(), Map.of(), Set.of(), Map.of());
    var launched = List.of(new Asked(0, Kind.SQL_LAUNCHED, Fate.ACCEPTED));
    var inserted = List.of(new Asked(0, Kind.SQL_INSERTED, Fate.ACCEPTED));
    assertThat(CheckBooks.check(launched, nothing, 0, true).told()).isEqualTo(1);
    assertThat(CheckBooks.check(launched, nothing, 0, false).lost()).hasSize(1);
    assertThat(CheckBooks.check(inserted, nothing, 0, true).lost()).hasSize(1);
  }

  @Test
  void wantsAnImmediateCallExecutedThatHasReachedKafka() {
    var sent = new Found(List.of(), Map.of(), Map.of(), Map.of(), Set.of(0), Map.of());
    for (var fate : List.of(Fate.ACCEPTED, Fate.UNCERTAIN, Fate.REFUSED)) {
      var journal = List.of(new Asked(0, Kind.LLM_ASKED, fate));
      assertThat(CheckBooks.check(journal, sent, 0, true).lost()).hasSize(1);
    }
  }

  @Test
  void takesARefusedImmediateCallOnlyWhereItMayBeRefused() {
    var journal = List.of(new Asked(0, Kind.LLM_ASKED, Fate.REFUSED));
    var nothing = new Found(List.of(), Map.of(), Map.of(), Map.of(), Set.of(), Map.of());
    assertThat(CheckBooks.check(journal, nothing, 0, true).told()).isEqualTo(1);
    assertThat(CheckBooks.check(journal, nothing, 0, false).lost()).hasSize(1);
  }

  @Test
  void seesAResultThatIsOnTheTopicAlone() {
    published.put(99L, "succeeded");
    assertThat(check().disagreeing()).hasSize(1);
  }

  @Test
  void seesTheAnswerToAnotherRequest() {
    results.put(10L, new Ending("succeeded", "", 0, 4));
    assertThat(check().duplicated()).hasSize(1);
  }

  @Test
  void takesWhatAStandbyHadNotGotForNeverAsked() {
    var survivors = new Survivors(2, Set.of(0));
    var journal =
        List.of(
            survivors.judge(new Asked(0, Kind.LLM_INSERTED, Fate.ACCEPTED), true),
            survivors.judge(new Asked(1, Kind.LLM_INSERTED, Fate.ACCEPTED), false),
            survivors.judge(new Asked(2, Kind.SQL_LAUNCHED, Fate.ACCEPTED), false));
    assertThat(journal)
        .extracting(Asked::fate)
        .containsExactly(Fate.ACCEPTED, Fate.UNREPLICATED, Fate.ACCEPTED);

    // it was called before the fail-over, and must not come back
    var called = Map.of(1, new Calls(1, 1));
    var vanished = journal.subList(1, 2);
    assertThat(
            CheckBooks.check(
                vanished,
                new Found(List.of(), Map.of(), Map.of(), Map.of(), Set.of(), called),
                0,
                false))
        .matches(Balance::balances)
        .returns(Map.of("not replicated", 1), Balance::endings);
    assertThat(
            CheckBooks.check(
                    vanished,
                    new Found(
                        List.of(new Row(11, 1)),
                        Map.of(),
                        Map.of(1, 1),
                        Map.of(),
                        Set.of(),
                        called),
                    0,
                    false)
                .duplicated())
        .hasSize(2);
  }
}
