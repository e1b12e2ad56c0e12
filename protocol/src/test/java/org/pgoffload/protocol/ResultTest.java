package org.pgoffload.protocol;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ResultTest {
  private static final String NUL = "\u0000";

  @Test
  void readsWhatItWrites() {
    assertThat(Result.read(Samples.ANSWERED.write())).isEqualTo(Samples.ANSWERED);
    assertThat(Result.read(Samples.EXPIRED.write())).isEqualTo(Samples.EXPIRED);
  }

  @Test
  void readsChunksAndTheRowThatTheyAreOf() {
    var read = Result.read(Samples.CHUNKS.write());
    assertThat(read).usingRecursiveComparison().isEqualTo(Samples.CHUNKS);
    assertThat(new String(Samples.CHUNKS.write(), UTF_8))
        .contains(
            """
            "embeddings":[[0.5,-1.0],[0.25,2.0]],"chunks":["Ray","leigh"],\
            "maintained":{"name":"doc_chunks","key":["7","de"]}}\
            """);
  }

  @Test
  void succeedsWithoutAnAnswerForARowThatHasNothingToAskAbout() {
    assertThat(Result.read(Samples.BLANK.write())).isEqualTo(Samples.BLANK);
    assertThat(new String(Samples.BLANK.write(), UTF_8))
        .doesNotContain("answer")
        .endsWith("\"maintained\":{\"name\":\"ticket_mood\",\"key\":[\"1\"]}}");
  }

  @Test
  void keepsTheRowWhenItFails() {
    var failed = Samples.CHUNKS.withFailure("answer_too_large", "it is");
    assertThat(failed.maintained()).isEqualTo(Samples.CHUNKS.maintained());
    assertThat(failed.vectors()).isNull();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"key\":[\"1\"]}",
        "{\"name\":\"n\"}",
        "{\"name\":\"\",\"key\":[\"1\"]}",
        "{\"name\":\"n\",\"key\":[]}",
        "{\"name\":\"n\",\"key\":[null]}"
      })
  void refusesARowThatIsNone(String row) {
    var json =
        new String(Samples.BLANK.write(), UTF_8)
            .replace("{\"name\":\"ticket_mood\",\"key\":[\"1\"]}", row);
    assertThatThrownBy(() -> Result.read(json.getBytes(UTF_8)))
        .isInstanceOf(MalformedMessageException.class);
  }

  @Test
  void hasAnEmbeddingOfEachChunk() {
    var vectors = List.of(new float[] {1}, new float[] {2});
    assertThatThrownBy(() -> new Result.Vectors(vectors, List.of("one")))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void leavesOutWhatHasNoValue() {
    assertThat(new String(Samples.EXPIRED.write(), UTF_8))
        .isEqualTo(
            """
            {"version":1,"id":43,"kind":"ask","status":"expired","requested_by":"app",\
            "requested_by_oid":16400,"nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed","error_code":"deadline_passed","error_message":"ask again",\
            "attempts":0,"finished_at":"2026-01-02T03:04:06Z"}\
            """);
  }

  @Test
  void ignoresFieldsOfANewerMinorVersion() {
    var json = new String(Samples.ANSWERED.write(), UTF_8).replaceFirst("\\{", "{\"new\":[1],");
    assertThat(Result.read(json.getBytes(UTF_8))).isEqualTo(Samples.ANSWERED);
  }

  @Test
  void keepsNoNulBecauseTheTableCouldNot() {
    var result = failed(NUL);
    assertThat(result).isEqualTo(failed("\uFFFD"));
    assertThat(new String(result.write(), UTF_8)).doesNotContain(NUL).doesNotContain("u0000");
  }

  @Test
  void writesHalfASurrogatePairAsSomethingThatUtf8CanHold() {
    var json =
        new String(Samples.ANSWERED.write(), UTF_8).replace("Rayleigh scattering.", "\\ud83d");
    assertThat(Result.read(Result.read(json.getBytes(UTF_8)).write()).answer()).isEqualTo("\uFFFD");
  }

  @Test
  void failsWithoutItsAnswerWhenThatCannotBeKept() {
    assertThat(Samples.ANSWERED.withFailure("too_large", "it is too large"))
        .isEqualTo(
            new Result(
                new ResultHead(1, 42, "ask", Result.FAILED, "app", 16_400, Samples.NONCE),
                Result.Outcome.error("too_large", "it is too large"),
                Samples.ANSWERED.origin(),
                Samples.ANSWERED.tokens(),
                Samples.ANSWERED.run(),
                null,
                Result.Provenance.NONE,
                null));
  }

  @Test
  void isKeyedByTheRequestId() {
    assertThat(Samples.ANSWERED.recordKey()).isEqualTo("42");
  }

  @Test
  void showsNoAnswer() {
    assertThat(Samples.ANSWERED).hasToString("Result[id=42, status=succeeded]");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "garbage", "[]", "{}", "{\"version\":1,\"status\":\"running\"}"})
  void refusesWhatIsNoResult(String text) {
    assertThatThrownBy(() -> Result.read(text.getBytes(UTF_8)))
        .isInstanceOf(MalformedMessageException.class);
  }

  @Test
  void refusesAnotherMajorVersion() {
    var json =
        new String(Samples.ANSWERED.write(), UTF_8).replace("\"version\":1", "\"version\":2");
    assertThatThrownBy(() -> Result.read(json.getBytes(UTF_8)))
        .isInstanceOf(MalformedMessageException.class);
  }

  @Test
  void hasAnErrorCodeExactlyUnlessItSucceeded() {
    assertThatThrownBy(() -> ended(Result.SUCCEEDED, "code"))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> ended(Result.FAILED, null))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> ended("running", null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("the status of a result is not a terminal one");
  }

  private static Result failed(String after) {
    return new Result(
        new ResultHead(1, 42, "ask", Result.FAILED, "app", 1, null),
        new Result.Outcome("a" + after, "c" + after, "m" + after, "f" + after),
        new Result.Origin("p" + after, "o" + after, "r" + after),
        Result.Tokens.UNKNOWN,
        Result.Run.of(1, "t"),
        null,
        Result.Provenance.NONE,
        null);
  }

  private static Result ended(String status, @Nullable String errorCode) {
    return Result.withoutCalls(
        new ResultHead(1, 42, "ask", status, "app", 1, null),
        new Result.Outcome(null, errorCode, null, null),
        Result.Run.of(1, "2026-01-02T03:04:06Z"));
  }
}
