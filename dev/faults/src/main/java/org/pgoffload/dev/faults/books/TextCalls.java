package org.pgoffload.dev.faults.books;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.pgoffload.dev.faults.installation.CallLedger;

/// The calls for the texts of a maintained column. One is necessary for each text that was asked
/// about, and none for one that was overtaken before its call. What was answered beyond that was in
/// vain: at most 2 %, beside the calls that a worker has given up and says so in its result, and
/// those that were under way when something was killed.
///
/// @param necessary how many texts were answered
/// @param givenUp how many of the further answers came after a worker had given up the call
/// @param inVain how many others were given beyond one for each text
/// @param problems empty if the ledger is as it should be
public record TextCalls(int necessary, int givenUp, int inVain, List<String> problems) {
  private static final double TOLERANCE = 0.02;

  public TextCalls {
    problems = List.copyOf(problems);
  }

  /// Compares the ledger with the texts. A pure function of both.
  ///
  /// @param last the numbers of the texts that the rows have in the end
  /// @param undone those that were rolled back
  /// @param calls by number
  /// @param failed by number: the calls that a result says were given up, or failed
  /// @param repeatable how many calls were under way when something was killed
  public static TextCalls check(
      Set<Integer> last,
      Set<Integer> undone,
      Map<Integer, CallLedger.Calls> calls,
      Map<Integer, Integer> failed,
      int repeatable) {
    var problems = new ArrayList<String>();
    int necessary = 0;
    int givenUp = 0;
    int inVain = 0;
    for (var entry : calls.entrySet()) {
      int answered = entry.getValue().answered();
      necessary += Math.min(1, answered);
      int further = Math.max(0, answered - 1);
      int late = Math.min(further, failed.getOrDefault(entry.getKey(), 0));
      givenUp += late;
      inVain += further - late;
      if (undone.contains(entry.getKey())) {
        problems.add("text " + entry.getKey() + " was rolled back, and asked about");
      }
    }
    for (int text : last) {
      if (calls.getOrDefault(text, CallLedger.Calls.NONE).answered() == 0) {
        problems.add("text " + text + " is the last of its row, and was never asked about");
      }
    }
    if (inVain - repeatable > TOLERANCE * necessary) {
      problems.add(
          "%d calls were in vain, beside %d that were necessary; %d were under way when something was killed"
              .formatted(inVain, necessary, repeatable));
    }
    return new TextCalls(necessary, givenUp, inVain, problems);
  }
}
