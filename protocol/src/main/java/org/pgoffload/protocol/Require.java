package org.pgoffload.protocol;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// The checks of messages. The words of a refusal may reach the headers of a dead letter, so they
/// never quote the message.
final class Require {
  private Require() {}

  /// @throws IllegalArgumentException with these words, unless it holds
  static void that(boolean holds, String words) {
    if (!holds) {
      throw new IllegalArgumentException(words);
    }
  }

  /// Whether it is an oid of something: an unsigned 32-bit integer, and not 0.
  static boolean isOid(long number) {
    return number >= 1 && number <= 0xFFFF_FFFFL;
  }

  static boolean isSqlState(@Nullable String text) {
    return text != null
        && text.length() == 5
        && text.chars().allMatch(c -> (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'));
  }

  /// A list of the same rows, each of which has as many values as there are columns.
  static List<List<@Nullable String>> rowsOf(List<List<@Nullable String>> rows, int columns) {
    for (var row : rows) {
      that(row.size() == columns, "a row has not a value for each column");
    }
    return List.copyOf(rows);
  }
}
