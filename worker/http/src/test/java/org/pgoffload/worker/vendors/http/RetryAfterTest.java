package org.pgoffload.worker.vendors.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpHeaders;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RetryAfterTest {
  private static final Instant NOW = Instant.parse("2026-11-21T10:00:00Z");

  @Test
  void readsAFractionOfSeconds() {
    assertThat(wait("retry-after", "1.5")).contains(Duration.ofMillis(1_500));
  }

  @Test
  void readsZero() {
    assertThat(wait("retry-after", "0")).contains(Duration.ZERO);
  }

  @Test
  void takesADateInThePastAsNoWait() {
    assertThat(wait("retry-after", "Sat, 21 Nov 2026 09:59:00 GMT")).contains(Duration.ZERO);
  }

  @Test
  void fallsBackToSecondsWhenTheMillisecondsAreNoNumber() {
    assertThat(wait("retry-after-ms", "soon")).isEmpty();
    assertThat(
            RetryAfter.of(
                HttpHeaders.of(
                    Map.of("retry-after-ms", List.of("soon"), "retry-after", List.of("3")),
                    (name, value) -> true),
                NOW))
        .contains(Duration.ofSeconds(3));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "-1", "NaN", "1e99", "tomorrow", "Sat, 21 Nov 2099 10:00:00 GMT"})
  void takesWhatItCannotUnderstandAsNotSaid(String value) {
    assertThat(wait("retry-after", value)).isEmpty();
  }

  private static Optional<Duration> wait(String name, String value) {
    return RetryAfter.of(HttpHeaders.of(Map.of(name, List.of(value)), (key, text) -> true), NOW);
  }
}
