package org.pgoffload.worker.vendors.http;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpHeaders;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Optional;

/// Reads how long a vendor asks to wait: `retry-after-ms` (OpenAI, Azure), else `Retry-After` in
/// seconds or as a date (RFC 9110). A value that cannot be understood counts as none.
final class RetryAfter {
  /// A longer wait is a mistake, and would overflow in the arithmetic.
  private static final double MAX_SECONDS = 366 * 86_400.0;

  private RetryAfter() {}

  /// @param receivedAt when the reply came in, to which a date is relative
  static Optional<Duration> of(HttpHeaders headers, Instant receivedAt) {
    var milliseconds = headers.firstValue("retry-after-ms").flatMap(text -> number(text, 1_000));
    if (milliseconds.isPresent()) {
      return milliseconds;
    }
    return headers
        .firstValue("retry-after")
        .flatMap(text -> number(text, 1).or(() -> untilDate(text, receivedAt)));
  }

  /// The wait as Google tells it: a delay in seconds among the details of the error.
  static Optional<Duration> of(JsonNode body) {
    return body.path("error")
        .path("details")
        .valueStream()
        .map(detail -> detail.path("retryDelay").asText(""))
        .filter(delay -> delay.endsWith("s"))
        .findFirst()
        .flatMap(delay -> number(delay.substring(0, delay.length() - 1), 1));
  }

  private static Optional<Duration> number(String text, double unitsPerSecond) {
    try {
      var seconds = Double.parseDouble(text.strip()) / unitsPerSecond;
      return seconds >= 0 && seconds <= MAX_SECONDS
          ? Optional.of(Duration.ofMillis(Math.round(seconds * 1_000)))
          : Optional.empty();
    } catch (NumberFormatException notANumber) {
      return Optional.empty();
    }
  }

  private static Optional<Duration> untilDate(String text, Instant receivedAt) {
    try {
      var date =
          ZonedDateTime.parse(text.strip(), DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
      var wait = Duration.between(receivedAt, date);
      return wait.toSeconds() > MAX_SECONDS
          ? Optional.empty()
          : Optional.of(wait.isNegative() ? Duration.ZERO : wait);
    } catch (DateTimeException notADate) {
      return Optional.empty();
    }
  }
}
