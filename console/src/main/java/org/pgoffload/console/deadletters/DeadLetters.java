package org.pgoffload.console.deadletters;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.pgoffload.operations.deadletters.ListedLetter;
import org.pgoffload.operations.deadletters.Printable;

/// A page of the list of dead letters.
///
/// @param isConfigured whether the console knows where Kafka is
/// @param letters that are not settled, the newest first
/// @param left how many were left out, as they are settled
/// @param isNewest whether it is the first page
/// @param older where the page of older ones begins; empty where there are none
public record DeadLetters(
    boolean isConfigured,
    List<ListedLetter> letters,
    int left,
    boolean isNewest,
    Map<Integer, Long> older) {
  /// Of a console that does not know Kafka.
  static final DeadLetters UNKNOWN = new DeadLetters(false, List.of(), 0, true, Map.of());

  /// The address of the page of older ones.
  public String olderPath() {
    return DeadLettersPage.PATH
        + "?below="
        + older.entrySet().stream()
            .map(each -> each.getKey() + ":" + each.getValue())
            .collect(Collectors.joining(","));
  }

  /// The address of a letter's page.
  public static String path(ListedLetter letter) {
    return DeadLettersPage.PATH + "/" + letter.place().partition() + "/" + letter.place().offset();
  }

  /// A text of a letter, which anybody may have written: what is not to be seen is escaped.
  public static String safe(String text) {
    return Printable.line(text);
  }
}
