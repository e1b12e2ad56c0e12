package org.pgoffload.results;

import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;

/// Reads times of messages, as ISO-8601 has them.
final class ReadTime {
  /// A `d` stands for any digit.
  private static final String USUAL = "dddd-dd-ddTdd:dd:dd";

  private static final int MOST_DIGITS_OF_A_FRACTION = 9;

  private ReadTime() {}

  /// A time, to the second at least.
  ///
  /// The form that workers write, in UTC with a year of four digits, is read by hand: a results
  /// application reads two for each result, and the general way takes thirty times as long.
  ///
  /// @throws java.time.DateTimeException if it is none
  static Instant of(String text) {
    return isUsual(text)
        ? LocalDateTime.of(
                digits(text, 0, 4),
                digits(text, 5, 7),
                digits(text, 8, 10),
                digits(text, 11, 13),
                digits(text, 14, 16),
                digits(text, 17, 19))
            .toInstant(ZoneOffset.UTC)
        : OffsetDateTime.parse(text).toInstant();
  }

  private static boolean isUsual(String text) {
    int last = text.length() - 1;
    if (last < USUAL.length() || text.charAt(last) != 'Z') {
      return false;
    }
    for (int i = 0; i < USUAL.length(); i++) {
      char wanted = USUAL.charAt(i);
      if (wanted == 'd' ? !isDigit(text.charAt(i)) : text.charAt(i) != wanted) {
        return false;
      }
    }
    int fraction = last - USUAL.length() - 1;
    if (fraction < 0) {
      return true;
    }
    if (text.charAt(USUAL.length()) != '.'
        || fraction == 0
        || fraction > MOST_DIGITS_OF_A_FRACTION) {
      return false;
    }
    for (int i = USUAL.length() + 1; i < last; i++) {
      if (!isDigit(text.charAt(i))) {
        return false;
      }
    }
    return true;
  }

  private static boolean isDigit(char character) {
    return character >= '0' && character <= '9';
  }

  private static int digits(String text, int from, int to) {
    return Integer.parseInt(text, from, to, 10);
  }
}
