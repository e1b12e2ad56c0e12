package org.pgoffload.worker.vendors.http;

import java.net.http.HttpHeaders;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.RateLimit;
import org.pgoffload.worker.models.RateLimit.Unit;

/// Reads what a reply tells of the vendor's limits: `x-ratelimit-*` of OpenAI, Azure and compatible
/// servers, whose resets are durations (`1s`, `6m0s`, `20ms`, on Azure seconds), Mistral's of the
/// running minute, and `anthropic-ratelimit-*`, whose resets are RFC 3339 dates. What cannot be
/// understood, such as Azure's -1 for unknown, counts as not said.
final class ReadRateLimits {
  /// Beyond this a reset is a date in disguise, or a mistake.
  private static final Duration LONGEST = Duration.ofDays(366);

  private static final Pattern DURATION =
      Pattern.compile(
          "(?:(\\d{1,4})d)?(?:(\\d{1,5})h)?(?:(\\d{1,7})m(?!s))?"
              + "(?:(\\d{1,9}(?:\\.\\d{1,12})?)s)?(?:(\\d{1,12}(?:\\.\\d{1,12})?)ms)?");
  private static final Pattern SECONDS = Pattern.compile("\\d{1,9}(?:\\.\\d{1,12})?");

  private ReadRateLimits() {}

  /// @param receivedAt when the reply came in, to which dates are relative
  static List<RateLimit> from(HttpHeaders headers, Instant receivedAt) {
    var limits = new ArrayList<RateLimit>();
    add(limits, openAi(headers, Unit.REQUESTS, "requests", receivedAt));
    add(limits, openAi(headers, Unit.TOKENS, "tokens", receivedAt));
    if (limits.isEmpty()) {
      add(limits, mistral(headers, Unit.REQUESTS, "req"));
      add(limits, mistral(headers, Unit.TOKENS, "tokens"));
    }
    if (limits.isEmpty()) {
      add(limits, anthropic(headers, Unit.REQUESTS, "requests", receivedAt));
      // Of input and output the scarcer decides; their sum tells nothing beside both.
      Stream.of("input-tokens", "output-tokens", "tokens")
          .map(kind -> anthropic(headers, Unit.TOKENS, kind, receivedAt))
          .filter(Objects::nonNull)
          .min(Comparator.comparingDouble(ReadRateLimits::share))
          .ifPresent(limits::add);
    }
    return List.copyOf(limits);
  }

  private static void add(List<RateLimit> limits, @Nullable RateLimit limit) {
    if (limit != null) {
      limits.add(limit);
    }
  }

  private static @Nullable RateLimit openAi(
      HttpHeaders headers, Unit unit, String kind, Instant receivedAt) {
    return limit(
        unit,
        headers.firstValue("x-ratelimit-limit-" + kind).orElse(null),
        headers.firstValue("x-ratelimit-remaining-" + kind).orElse(null),
        headers.firstValue("x-ratelimit-reset-" + kind).orElse(null),
        receivedAt);
  }

  /// Of the running minute. When that ends is not told: after a minute at the latest.
  private static @Nullable RateLimit mistral(HttpHeaders headers, Unit unit, String kind) {
    var limit = count(headers.firstValue("x-ratelimit-limit-" + kind + "-minute").orElse(null));
    var left = count(headers.firstValue("x-ratelimit-remaining-" + kind + "-minute").orElse(null));
    return left == null ? null : new RateLimit(unit, limit, left, Duration.ofMinutes(1));
  }

  private static @Nullable RateLimit anthropic(
      HttpHeaders headers, Unit unit, String kind, Instant receivedAt) {
    var name = "anthropic-ratelimit-" + kind;
    return limit(
        unit,
        headers.firstValue(name + "-limit").orElse(null),
        headers.firstValue(name + "-remaining").orElse(null),
        headers.firstValue(name + "-reset").orElse(null),
        receivedAt);
  }

  /// How much of a limit is left; a limit that is not told leaves only what remains to compare.
  private static double share(RateLimit limit) {
    return limit.limit() == null || limit.limit() == 0
        ? limit.remaining()
        : (double) limit.remaining() / limit.limit();
  }

  private static @Nullable RateLimit limit(
      Unit unit,
      @Nullable String limit,
      @Nullable String remaining,
      @Nullable String reset,
      Instant receivedAt) {
    var left = count(remaining);
    var resetAfter = reset(reset, receivedAt);
    return left == null || resetAfter == null
        ? null
        : new RateLimit(unit, count(limit), left, resetAfter);
  }

  private static @Nullable Long count(@Nullable String text) {
    if (text == null || !text.strip().matches("\\d{1,18}")) {
      return null;
    }
    return Long.valueOf(text.strip());
  }

  private static @Nullable Duration reset(@Nullable String text, Instant receivedAt) {
    if (text == null || text.isBlank()) {
      return null;
    }
    var written = text.strip();
    var duration =
        SECONDS.matcher(written).matches() ? millis(written, 1_000) : duration(written, receivedAt);
    return duration == null || duration.compareTo(LONGEST) > 0 ? null : duration;
  }

  private static @Nullable Duration duration(String text, Instant receivedAt) {
    var parts = DURATION.matcher(text);
    if (parts.matches()) {
      return millis(parts.group(1), 86_400_000)
          .plus(millis(parts.group(2), 3_600_000))
          .plus(millis(parts.group(3), 60_000))
          .plus(millis(parts.group(4), 1_000))
          .plus(millis(parts.group(5), 1));
    }
    try {
      var wait = Duration.between(receivedAt, OffsetDateTime.parse(text).toInstant());
      return wait.isNegative() ? Duration.ZERO : wait;
    } catch (DateTimeException notADate) {
      return null;
    }
  }

  /// Rounded up, so that a reset is never taken for earlier than it is.
  private static Duration millis(@Nullable String number, long unit) {
    return number == null
        ? Duration.ZERO
        : Duration.ofMillis((long) Math.ceil(Double.parseDouble(number) * unit));
  }
}
