package org.pgoffload.console.requests;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// Gathers what is known of a request, and says it in words.
final class Facts {
  private final List<ShownRequest.Fact> facts = new ArrayList<>();

  /// Adds what is known.
  Facts add(String name, @Nullable String value) {
    if (value != null && !value.isEmpty()) {
      facts.add(new ShownRequest.Fact(name, value));
    }
    return this;
  }

  List<ShownRequest.Fact> all() {
    return List.copyOf(facts);
  }

  static String orEmpty(@Nullable String text) {
    return text == null ? "" : text;
  }

  static @Nullable String unlessZero(@Nullable String number) {
    return "0".equals(number) ? null : number;
  }

  /// Milliseconds, as `850 ms`, `1.5 s` or `2 min 5 s`.
  static @Nullable String duration(@Nullable Object milliseconds) {
    if (!(milliseconds instanceof Number number)) {
      return null;
    }
    double ms = number.doubleValue();
    if (ms < 1_000) {
      return Math.round(ms) + " ms";
    }
    if (ms < 60_000) {
      return String.format(Locale.ROOT, "%.1f s", ms / 1_000);
    }
    long seconds = Math.round(ms / 1_000);
    return seconds < 3_600
        ? seconds / 60 + " min " + seconds % 60 + " s"
        : seconds / 3_600 + " h " + seconds % 3_600 / 60 + " min";
  }

  static @Nullable Instant instant(ResultSet row, String column) throws SQLException {
    var time = row.getObject(column, OffsetDateTime.class);
    return time == null ? null : time.toInstant();
  }
}
