package org.pgoffload.worker.sql;

import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Text;

/// What the server says, in the form in which a message can carry it.
final class Texts {
  /// A function may raise megabytes; a message holds several texts.
  private static final int MOST_CHARACTERS = 32 << 10;

  private static final Pattern SQL_STATE = Pattern.compile("[0-9A-Z]{5}");

  private Texts() {}

  static String cut(String text) {
    return Text.shortened(text, MOST_CHARACTERS);
  }

  static @Nullable String cutOrNull(@Nullable String text) {
    return text == null ? null : cut(text);
  }

  static String sqlState(@Nullable String state, String otherwise) {
    return state != null && SQL_STATE.matcher(state).matches() ? state : otherwise;
  }
}
