package org.pgoffload.dev.faults.books;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/// How many requests of each kind a load has.
///
/// @param llm inserted prompts
/// @param asks llm_ask
/// @param sql commands that run in a transaction, inserted or launched
/// @param autocommit commands that cannot
/// @param rolledBack inserted and rolled back, of either kind
public record Mix(int llm, int asks, int sql, int autocommit, int rolledBack) {
  /// Of so many in all: 76 % prompts, 4 % llm_ask, 14 % SQL, 2 % autocommit, 4 % rolled back.
  public static Mix of(int requests) {
    int asks = share(requests, 4);
    int sql = share(requests, 14);
    int autocommit = share(requests, 2);
    int rolledBack = share(requests, 4);
    return new Mix(
        Math.max(0, requests - asks - sql - autocommit - rolledBack),
        asks,
        sql,
        autocommit,
        rolledBack);
  }

  private static int share(int requests, int percent) {
    return Math.max(1, requests * percent / 100);
  }

  int total() {
    return llm + asks + sql + autocommit + rolledBack;
  }

  /// The steps of a load in a random order: transactions of varying size, and single immediate
  /// calls.
  List<Step> steps(Random random) {
    var inserted = new ArrayList<Step.Row>();
    var steps = new ArrayList<Step>();
    for (int i = 0; i < llm; i++) {
      inserted.add(new Step.Row(Asked.Kind.LLM_INSERTED, false));
    }
    for (int i = 0; i < sql; i++) {
      if (i % 3 == 0) {
        steps.add(new Step.Immediate(Asked.Kind.SQL_LAUNCHED));
      } else {
        inserted.add(new Step.Row(Asked.Kind.SQL_INSERTED, false));
      }
    }
    for (int i = 0; i < autocommit; i++) {
      if (i % 2 == 0) {
        steps.add(new Step.Immediate(Asked.Kind.AUTOCOMMIT_LAUNCHED));
      } else {
        inserted.add(new Step.Row(Asked.Kind.AUTOCOMMIT_INSERTED, false));
      }
    }
    for (int i = 0; i < asks; i++) {
      steps.add(new Step.Immediate(Asked.Kind.LLM_ASKED));
    }
    var undone = new ArrayList<Step.Row>();
    for (int i = 0; i < rolledBack; i++) {
      var kind = i % 4 == 0 ? Asked.Kind.SQL_INSERTED : Asked.Kind.LLM_INSERTED;
      if (i % 2 == 0) {
        inserted.add(new Step.Row(kind, true)); // to a savepoint of a transaction that commits
      } else {
        undone.add(new Step.Row(kind, true));
      }
    }
    Collections.shuffle(inserted, random);
    transactions(inserted, true, random, steps);
    transactions(undone, false, random, steps);
    Collections.shuffle(steps, random);
    return steps;
  }

  private static void transactions(
      List<Step.Row> rows, boolean commits, Random random, List<Step> steps) {
    int from = 0;
    while (from < rows.size()) {
      // most are small, some are not
      int size = 1 + random.nextInt(random.nextInt(8) == 0 ? 40 : 5);
      int to = Math.min(rows.size(), from + size);
      steps.add(new Step.Transaction(List.copyOf(rows.subList(from, to)), commits));
      from = to;
    }
  }
}
