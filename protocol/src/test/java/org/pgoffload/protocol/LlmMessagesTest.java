package org.pgoffload.protocol;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class LlmMessagesTest {
  @Test
  void areReadAsTheyWereWritten() {
    assertThat(LlmPiece.read(Samples.LLM_PIECE.write())).isEqualTo(Samples.LLM_PIECE);
    assertThat(LlmUsage.read(Samples.USAGE.write())).isEqualTo(Samples.USAGE);
  }

  @Test
  void areReadWithFieldsOfANewerMinorVersion() {
    assertThat(LlmPiece.read(newer(Sample.STREAMED.json))).isEqualTo(Samples.LLM_PIECE);
    assertThat(LlmUsage.read(newer(Sample.USAGE.json))).isEqualTo(Samples.USAGE);
  }

  @Test
  void keepNoNulBecauseTheTableCouldNot() {
    assertThat(LlmPiece.read(Sample.STREAMED.with("Ray", "\\u0000").getBytes(UTF_8)).text())
        .startsWith("\uFFFD");
    assertThat(
            LlmUsage.read(Sample.USAGE.with("a-model", "\\u0000").getBytes(UTF_8)).scope().model())
        .isEqualTo("\uFFFD");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "garbage", "null", "[]", "{}", "{\"version\":1}"})
  void refuseWhatIsNone(String text) {
    assertThatThrownBy(() -> LlmPiece.read(text.getBytes(UTF_8)))
        .isInstanceOf(MalformedMessageException.class);
    assertThatThrownBy(() -> LlmUsage.read(text.getBytes(UTF_8)))
        .isInstanceOf(MalformedMessageException.class);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          STREAMED | "version":1 | "version":2 | the version of a piece is not 1
          STREAMED | "id":42 | "id":0 | the id of a piece is not positive
          STREAMED | 16400 | 4294967296 | the requested_by_oid of a piece is no oid
          STREAMED | "attempt":2 | "attempt":0 | the attempt of a piece is less than 1
          STREAMED | 2000000001 | 0 | the seq of a piece is less than 1
          STREAMED | "text" | "words" | not the JSON of a piece of version 1
          STREAMED | "reset":true | "reset":[] | not the JSON of a piece of version 1
          USAGE    | "version":1 | "version":2 | the version of usage is not 1
          USAGE    | 03:04:00Z | 03:04:05Z | the minute of usage is not the beginning of one
          USAGE    | 2026-01-02T03:04:00Z | now | the minute of usage is not the beginning of one
          USAGE    | 16400 | 0 | the requested_by_oid of usage is no oid
          USAGE    | "requests":7 | "requests":-7 | a count of usage is negative
          USAGE    | "output_tokens":500 | "output_tokens":-5 | a count of usage is negative
          USAGE    | "provider" | "vendor" | not the JSON of usage of version 1
          USAGE    | "calls":9 | "calls":{} | not the JSON of usage of version 1
          """)
  void sayWhatIsWrong(Sample sample, String right, String wrong, String words) {
    assertThatThrownBy(() -> sample.read(sample.with(right, wrong)))
        .isInstanceOf(MalformedMessageException.class)
        .hasMessage(words);
  }

  @Test
  void usageIsKeyedByWhatItIsTheWholeOf() {
    assertThat(Samples.LLM_PIECE.recordKey()).isEqualTo("42");
    assertThat(Samples.USAGE.recordKey())
        .isEqualTo(
            """
            {"minute":"2026-01-02T03:04:00Z","requested_by_oid":16400,"provider":"openai",\
            "model":"a-model"}\
            """);
  }

  @ParameterizedTest
  @CsvSource({
    "2026-01-02T03:04:59.999999999Z, 2026-01-02T03:04:00Z",
    "2026-01-02T03:04:00Z, 2026-01-02T03:04:00Z",
    "1969-12-31T23:59:59Z, 1969-12-31T23:59:00Z",
    "+12026-01-02T03:04:05Z, +12026-01-02T03:04:00Z",
  })
  void usageBelongsToTheMinuteThatHasBegun(String time, String minute) {
    assertThat(LlmUsage.minuteOf(Instant.parse(time))).isEqualTo(minute);
  }

  @Test
  void usageAddsUpEveryCountUnderTheLastNameOfTheRole() {
    assertThat(Samples.USAGE.plus(usage("renamed", 100)))
        .isEqualTo(
            new LlmUsage(
                1,
                new LlmUsage.Scope("2026-01-02T03:04:00Z", 16_400, "renamed", "openai", "a-model"),
                new LlmUsage.Counts(107, 102, 101, 109, 103),
                new TokenCounts(1300, 400, 600, 120)));
  }

  @Test
  void usageStaysAtTheLargestNumber() {
    var most = usage("app", Long.MAX_VALUE);
    assertThat(Samples.USAGE.plus(most)).isEqualTo(most);
    assertThat(most.plus(Samples.USAGE)).isEqualTo(most);
  }

  @Test
  void aPieceShowsNoWords() {
    assertThat(Samples.LLM_PIECE).hasToString("LlmPiece[id=42, seq=2000000001]");
  }

  private static LlmUsage usage(String requestedBy, long each) {
    return new LlmUsage(
        1,
        new LlmUsage.Scope("2026-01-02T03:04:00Z", 16_400, requestedBy, "openai", "a-model"),
        new LlmUsage.Counts(each, each, each, each, each),
        new TokenCounts(each, each, each, each));
  }

  private static byte[] newer(String json) {
    return json.replaceFirst("\\{", "{\"new\":[{\"id\":1}],").getBytes(UTF_8);
  }
}
