package org.pgoffload.console.usage;

import java.time.Duration;
import java.util.List;
import org.pgoffload.console.web.Problem;

/// A span of time up to now, in steps that begin with the clock's in UTC.
///
/// @param name as it stands in the address
/// @param label for readers
/// @param step the length of a step; it divides an hour, or hours divide it
public record Span(String name, String label, Duration step, int steps) {
  static final List<Span> ALL =
      List.of(
          new Span("hour", "last hour", Duration.ofMinutes(1), 60),
          new Span("day", "last day", Duration.ofMinutes(30), 48),
          new Span("week", "last 7 days", Duration.ofHours(3), 56),
          new Span("month", "last 30 days", Duration.ofHours(12), 60));

  static Span of(String name) {
    return ALL.stream()
        .filter(span -> span.name.equals(name))
        .findFirst()
        .orElseThrow(() -> Problem.badRequest("over is hour, day, week or month."));
  }
}
