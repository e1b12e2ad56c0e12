package org.pgoffload.dev.faults.books;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.pgoffload.dev.faults.installation.CallLedger;

/// Compares the requests with the findings. A pure function of both.
///
/// What the caller knows to be accepted has exactly one row and one result; what was rolled back
/// left nothing at all; of what the caller was not told, either is right. A succeeded task has left
/// its trace once, another one none, and a command outside a transaction that was broken off at
/// most one. The first record of each id on the topic says what the table says. Calls that were
/// answered in vain are no more than could be under way when something was killed. What a standby
/// had not got when it took over has no row, no result and no effect, and the topic says so.
public final class CheckBooks {
  private final Found found;
  private final boolean mayRefuse;
  private final Map<Integer, List<Found.Row>> rows = new HashMap<>();
  private final List<String> lost = new ArrayList<>();
  private final List<String> duplicated = new ArrayList<>();
  private final List<String> disagreeing = new ArrayList<>();
  private final Map<String, Integer> endings = new TreeMap<>();
  private int repeatedCalls;
  private int told;

  private CheckBooks(Found found, boolean mayRefuse) {
    this.found = found;
    this.mayRefuse = mayRefuse;
    found
        .requests()
        .forEach(row -> rows.computeIfAbsent(row.number(), _ -> new ArrayList<>()).add(row));
  }

  /// Compares the requests with the findings.
  ///
  /// @param repeatable how many calls may have been answered in vain
  /// @param mayRefuse whether an immediate call may have ended without a result, but with a clear
  ///   error
  public static Balance check(
      Collection<Asked> journal, Found found, int repeatable, boolean mayRefuse) {
    var books = new CheckBooks(found, mayRefuse);
    journal.forEach(books::check);
    books.checkStrangers(journal);
    books.checkTopic();
    if (books.repeatedCalls > repeatable) {
      books.duplicated.add(
          books.repeatedCalls
              + " calls were answered in vain, and only "
              + repeatable
              + " were under way when something was killed");
    }
    return new Balance(
        journal.size(),
        books.lost,
        books.duplicated,
        books.disagreeing,
        books.endings,
        books.repeatedCalls,
        books.told);
  }

  private void check(Asked asked) {
    var present = rows.getOrDefault(asked.number(), List.of());
    if (present.size() > 1) {
      duplicated.add(asked + " has " + present.size() + " rows");
    }
    // an immediate call that has reached Kafka is executed, whatever became of its caller
    boolean sent = asked.kind().isImmediate() && found.sent().contains(asked.number());
    boolean accepted =
        switch (asked.fate()) {
          // what was launched at once and only stood in the WAL: whoever reads it is told
          case ACCEPTED -> !mayRefuse || !asked.kind().isImmediate() || sent || !present.isEmpty();
          case ROLLED_BACK -> false;
          case UNCERTAIN -> sent || !present.isEmpty();
          case REFUSED -> !mayRefuse || sent || !present.isEmpty();
          case UNREPLICATED -> false;
        };
    if (!accepted) {
      checkNothingIsThere(asked, present);
      if (asked.fate() == Asked.Fate.UNREPLICATED) {
        endings.merge("not replicated", 1, Integer::sum);
      } else if (asked.fate() != Asked.Fate.ROLLED_BACK && asked.kind().isImmediate()) {
        told++;
      }
    } else if (present.isEmpty()) {
      lost.add(asked + " has no row");
    } else {
      checkAnswered(asked, present.getFirst());
    }
  }

  private void checkNothingIsThere(Asked asked, List<Found.Row> present) {
    if (!present.isEmpty()) {
      duplicated.add(asked + " has a row");
    }
    if (found.effects().getOrDefault(asked.number(), 0) > 0) {
      duplicated.add(asked + " has taken effect");
    }
    if (calls(asked).came() > 0 && asked.fate() != Asked.Fate.UNREPLICATED) {
      duplicated.add(asked + " was asked of the model");
    }
  }

  private void checkAnswered(Asked asked, Found.Row row) {
    var ending = found.results().get(row.id());
    if (ending == null) {
      lost.add(asked + " has no result, as request " + row.id());
      return;
    }
    endings.merge(
        ending.succeeded() ? "succeeded" : ending.status() + " " + ending.code(), 1, Integer::sum);
    if (asked.kind().isLlm()) {
      checkCalls(asked, ending);
    } else {
      checkEffects(asked, ending);
    }
    var published = found.published().get(row.id());
    if (published == null) {
      disagreeing.add(asked + " is not on the topic, as request " + row.id());
    } else if (!published.equals(ending.status())) {
      disagreeing.add(
          asked + " is " + ending.status() + " in the table and " + published + " on the topic");
    }
  }

  private void checkCalls(Asked asked, Found.Ending ending) {
    int answered = calls(asked).answered();
    int needed = ending.succeeded() ? 1 : 0;
    if (ending.answers() >= 0 && ending.answers() != asked.number()) {
      duplicated.add(asked + " has the answer to number " + ending.answers());
    }
    if (answered < needed) {
      duplicated.add(asked + " succeeded without an answer of the model");
    }
    // a worker tells by its result what it gave up; a lost worker tells nothing
    repeatedCalls += Math.max(0, answered - needed - ending.failedCalls());
  }

  private void checkEffects(Asked asked, Found.Ending ending) {
    int effects = found.effects().getOrDefault(asked.number(), 0);
    if (asked.kind().isAutocommit() && ending.isBrokenOff()) {
      if (effects > 1) {
        duplicated.add(asked + " was broken off and has taken effect " + effects + " times");
      }
    } else if (ending.succeeded() && effects == 0) {
      lost.add(asked + " succeeded without its effect");
    } else if (effects > (ending.succeeded() ? 1 : 0)) {
      duplicated.add(
          asked + " is " + ending.status() + " and has taken effect " + effects + " times");
    }
  }

  /// Rows, effects and calls without a request.
  private void checkStrangers(Collection<Asked> journal) {
    var known = new HashMap<Integer, Asked>();
    journal.forEach(asked -> known.put(asked.number(), asked));
    rows.keySet().stream()
        .filter(number -> !known.containsKey(number))
        .forEach(number -> duplicated.add("number " + number + " was never asked"));
    found.effects().keySet().stream()
        .filter(number -> !known.containsKey(number))
        .forEach(number -> duplicated.add("number " + number + " took effect unasked"));
    found.calls().keySet().stream()
        .filter(number -> !known.containsKey(number))
        .forEach(number -> duplicated.add("number " + number + " was called unasked"));
  }

  /// Results that are on the topic alone. What the tables do not know any more after a fail-over is
  /// withdrawn there.
  private void checkTopic() {
    found
        .published()
        .forEach((id, status) -> {
          if (!found.results().containsKey(id)) {
            disagreeing.add("request " + id + " is " + status + " on the topic alone");
          }
        });
  }

  private CallLedger.Calls calls(Asked asked) {
    return found.calls().getOrDefault(asked.number(), CallLedger.Calls.NONE);
  }
}
