package org.pgoffload.console.requests;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
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

  static @Nullable Instant instant(ResultSet row, String column) throws SQLException {
    var time = row.getObject(column, OffsetDateTime.class);
    return time == null ? null : time.toInstant();
  }
}
