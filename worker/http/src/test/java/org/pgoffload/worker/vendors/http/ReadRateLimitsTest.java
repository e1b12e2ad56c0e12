package org.pgoffload.worker.vendors.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpHeaders;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.worker.models.RateLimit;
import org.pgoffload.worker.models.RateLimit.Unit;

class ReadRateLimitsTest {
  private static final Instant NOW = Instant.parse("2026-11-21T10:00:00Z");

  @ParameterizedTest
  @CsvSource({
    "1s, PT1S",
    "6m0s, PT6M",
    "20ms, PT0.02S",
    "0s, PT0S",
    "7.66s, PT7.66S",
    "2m59.56s, PT2M59.56S",
    "1h30m, PT1H30M",
    "1d2h, PT26H",
    "0.4ms, PT0.001S",
    "59, PT59S",
    "1.5, PT1.5S",
    "2026-11-21T10:00:30Z, PT30S",
    "2026-11-21T11:00:30.5+01:00, PT30.5S",
    "2026-11-21T09:00:00Z, PT0S"
  })
  void readsDurationsSecondsAndDates(String written, Duration expected) {
    var headers = requests("500", "499", written);

    assertThat(ReadRateLimits.from(headers, NOW))
        .containsExactly(new RateLimit(Unit.REQUESTS, 500L, 499, expected));
  }

  @Test
  void takesTheRunningMinuteForOneThatHasJustBegun() {
    var headers =
        HttpHeaders.of(
            Map.of(
                "x-ratelimit-limit-req-minute", List.of("60"),
                "x-ratelimit-remaining-req-minute", List.of("59"),
                "x-ratelimit-limit-tokens-minute", List.of("50000"),
                "x-ratelimit-remaining-tokens-minute", List.of("47196")),
            (name, value) -> true);

    assertThat(ReadRateLimits.from(headers, NOW))
        .containsExactly(
            new RateLimit(Unit.REQUESTS, 60L, 59, Duration.ofMinutes(1)),
            new RateLimit(Unit.TOKENS, 50_000L, 47_196, Duration.ofMinutes(1)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"soon", "-1s", "1790000000", "999999999", "1x", "m", "ms", "1s1m", "NaN"})
  void takesAResetThatCannotBeUnderstoodForNotSaid(String written) {
    assertThat(ReadRateLimits.from(requests("500", "499", written), NOW)).isEmpty();
  }

  @Test
  void takesWhatAzureDoesNotKnowForNotSaid() {
    assertThat(ReadRateLimits.from(requests("-1", "-1", "0"), NOW)).isEmpty();
  }

  @Test
  void needsNoLimitBesideWhatIsLeft() {
    assertThat(ReadRateLimits.from(requests("many", "3", "1s"), NOW))
        .containsExactly(new RateLimit(Unit.REQUESTS, null, 3, Duration.ofSeconds(1)));
  }

  @Test
  void readsTheScarcerOfAnthropicsLimitsOfTokens() {
    var headers =
        headers(
            Map.of(
                "anthropic-ratelimit-requests-limit", "50",
                "anthropic-ratelimit-requests-remaining", "49",
                "anthropic-ratelimit-requests-reset", "2026-11-21T10:00:01Z",
                "anthropic-ratelimit-input-tokens-limit", "100000",
                "anthropic-ratelimit-input-tokens-remaining", "9000",
                "anthropic-ratelimit-input-tokens-reset", "2026-11-21T10:00:54Z",
                "anthropic-ratelimit-output-tokens-limit", "8000",
                "anthropic-ratelimit-output-tokens-remaining", "7000",
                "anthropic-ratelimit-output-tokens-reset", "2026-11-21T10:00:08Z"));

    assertThat(ReadRateLimits.from(headers, NOW))
        .isEqualTo(
            List.of(
                new RateLimit(Unit.REQUESTS, 50L, 49, Duration.ofSeconds(1)),
                new RateLimit(Unit.TOKENS, 100_000L, 9_000, Duration.ofSeconds(54))));
  }

  private static HttpHeaders requests(String limit, String remaining, String reset) {
    return headers(
        Map.of(
            "x-ratelimit-limit-requests", limit,
            "x-ratelimit-remaining-requests", remaining,
            "x-ratelimit-reset-requests", reset));
  }

  private static HttpHeaders headers(Map<String, String> headers) {
    return HttpHeaders.of(
        headers.entrySet().stream()
            .collect(Collectors.toMap(Map.Entry::getKey, entry -> List.of(entry.getValue()))),
        (_, _) -> true);
  }
}
