package org.pgoffload.results;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.DateTimeException;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ReadTimeTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "2026-01-02T03:04:05Z",
        "2024-02-29T23:59:59.123456Z",
        "2026-01-02T03:04:05.123456789Z",
        "0000-01-02T03:04:05Z",
        "2026-01-02T03:04:05+18:00",
        "2026-01-02T03:04Z",
        "+12026-01-02T03:04:05Z"
      })
  void readsWhatTheLibraryReads(String text) {
    assertThat(ReadTime.of(text).truncatedTo(ChronoUnit.SECONDS))
        .isEqualTo(OffsetDateTime.parse(text).toInstant().truncatedTo(ChronoUnit.SECONDS));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "yesterday",
        "2026-01-02T03:04:05",
        "2026-02-30T03:04:05Z",
        "2026-13-02T03:04:05Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:60Z",
        "2026-01-02T03:04:05.1234567890Z",
        "2026-01-02T03:04:05,5Z",
        "2026-01-02 03:04:05Z"
      })
  void refusesWhatTheLibraryRefuses(String text) {
    assertThatThrownBy(() -> OffsetDateTime.parse(text)).isInstanceOf(DateTimeException.class);
    assertThatThrownBy(() -> ReadTime.of(text)).isInstanceOf(DateTimeException.class);
  }
}
