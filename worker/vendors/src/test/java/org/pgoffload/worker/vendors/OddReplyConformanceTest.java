package org.pgoffload.worker.vendors;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_16;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.http.WireReply.Coding;
import org.pgoffload.dev.testkit.vendors.StubReply;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.protocol.Text;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.Vendor.Lack;
import org.pgoffload.worker.vendors.http.Json;

/// What every provider has to make of replies that are odder than the vendors' documents: in one
/// piece, as a stream, and as embeddings where the vendor has them.
@ParameterizedClass
@EnumSource
class OddReplyConformanceTest extends ConformanceSuite {
  private static final List<String> TEXTS = List.of("one", "two");
  private static final StubReply.Answer ANSWER =
      new StubReply.Answer("The sky is blue.", StubReply.Tokens.DEFAULT);

  OddReplyConformanceTest(Vendor vendor) {
    super(vendor);
  }

  // --- failures with status 200

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {"error":{"code":429,"message":"Told so."}}              | RATE_LIMITED
          {"error":{"code":"429","message":"Told so."}}            | RATE_LIMITED
          {"error":{"status":429,"message":"Told so."}}            | RATE_LIMITED
          {"error":"Told so.","code":429}                          | RATE_LIMITED
          {"error":{"message":"Told so."},"status_code":"429"}     | RATE_LIMITED
          {"error":{"error":{"code":429,"message":"Told so."}}}    | RATE_LIMITED
          [{"error":{"code":429,"message":"Told so."}}]            | RATE_LIMITED
          {"error":{"code":401,"message":"Told so."}}              | AUTHENTICATION_FAILED
          {"error":{"code":503,"message":"Told so."}}              | PROVIDER_OVERLOADED
          {"error":{"code":502,"message":"Told so."}}              | PROVIDER_ERROR
          {"error":{"code":429,"type":"insufficient_quota","message":"Told so."}} | QUOTA_EXHAUSTED
          {"object":"error","code":429,"message":"Told so."}       | RATE_LIMITED
          {"type":"error","code":429,"message":"Told so."}         | RATE_LIMITED
          {"error":"Told so."}                                     | PROVIDER_ERROR
          {"error":["Told so."]}                                   | PROVIDER_ERROR
          {"error":true,"message":"Told so."}                      | PROVIDER_ERROR
          """)
  void takesANumericCodeForTheStatusItStandsFor(String body, LlmErrorCode code)
      throws InterruptedException {
    for (var outcome : everyWay(full(200, body), event(body))) {
      assertThat(error(outcome).code()).isEqualTo(code);
      assertThat(error(outcome).message()).contains("Told so.");
      assertThat(error(outcome).httpStatus()).isEqualTo(200);
    }
  }

  @Test
  void takesANumericCodeInTheMiddleOfAStream() throws InterruptedException {
    var events = stub.asEvents(vendor.path("model-1"), "The sky is blue.");
    var begin = events.substring(0, events.indexOf("blue"));
    stub.next(
        StubReply.wire(
            stream(
                begin.substring(0, begin.lastIndexOf('\n') + 1)
                    + framed("{\"error\":{\"code\":\"429\",\"message\":\"Told so.\"}}"))));

    var error = error(stream());

    assertThat(error.code()).isEqualTo(LlmErrorCode.RATE_LIMITED);
    assertThat(error.message()).contains("Told so.");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "null",
        "false",
        "\"\"",
        "{}",
        "[]",
        "0",
        "{\"code\":null,\"message\":\"\"}",
        "{\"code\":0}"
      })
  void takesAnEmptyErrorBesideAnAnswerForNone(String error) throws InterruptedException {
    assertEveryAnswer(withField("\"error\":" + error));
  }

  // --- errors in other forms than the vendor's

  @ParameterizedTest
  @ValueSource(
      strings = {
        "[{\"error\":{\"message\":\"Told so: PROMPT\"}}]",
        "[{\"message\":\"Told so: PROMPT\"}]",
        "{\"error\":\"Told so: PROMPT\"}",
        "{\"detail\":{\"message\":\"Told so: PROMPT\"}}",
        "{\"errors\":[{\"code\":7,\"message\":\"Told so: PROMPT\"}]}",
        "\"Told so: PROMPT\"",
        "Told so: PROMPT",
        "<html><head><title>Told so: PROMPT</title></head><body>nginx</body></html>",
        "<!DOCTYPE html><body><style>x{}</style><h1>Told so:</h1>\n PROMPT</body>",
        "<Error><Message>Told so: PROMPT</Message></Error>"
      })
  void keepsWordsAndWaitOfAnErrorInAnyForm(String body) throws InterruptedException {
    var headers = Map.of("Retry-After", "7", "Content-Type", "text/plain");
    var reply = new WireReply.Full(429, headers, body.replace("PROMPT", PROMPT));

    for (var outcome : everyWay(reply, reply)) {
      assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.RATE_LIMITED);
      assertThat(error(outcome).message()).contains("Told so:").doesNotContain("<", "nginx", "{");
      assertThat(error(outcome).retryAfter()).isEqualTo(Duration.ofSeconds(7));
    }
    stub.next(StubReply.wire(reply));
    assertThat(failure(PROMPT).message()).doesNotContain("Prague");
  }

  @Test
  void readsGooglesWaitAndCodeInAnArray() throws InterruptedException {
    var reply =
        full(
            429,
            """
            [{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"Told so.",
              "details":[{"retryDelay":"31s"}]}}]
            """);

    for (var outcome : everyWay(reply, reply)) {
      assertThat(error(outcome).retryAfter()).isEqualTo(Duration.ofSeconds(31));
      assertThat(error(outcome).message()).contains("RESOURCE_EXHAUSTED", "Told so.");
    }
  }

  @Test
  void cutsNoCharacterOfAnErrorInTwo() throws InterruptedException {
    for (var padding : List.of("", "x")) {
      var reply = full(500, "{\"error\":\"" + padding + "😀".repeat(3_000) + "\"}");
      for (var outcome : everyWay(reply, reply)) {
        var message = error(outcome).message();
        assertThat(message).endsWith("😀…").isEqualTo(Text.storable(message));
      }
    }
  }

  @Test
  void replacesHalfACharacterInAnError() throws InterruptedException {
    var reply = full(500, "{\"error\":\"Told \\ud83d so.\"}");
    for (var outcome : everyWay(reply, reply)) {
      assertThat(error(outcome).message()).contains("Told \uFFFD so.");
    }
  }

  // --- counts

  @ParameterizedTest
  @ValueSource(
      strings = {
        "9223372036854775807",
        "18446744073709551617",
        "1e30",
        "1e999999",
        "\"9223372036854775807\""
      })
  void boundsACountThatIsTooLarge(String count) throws InterruptedException {
    for (var outcome : everyAnswer(withCounts(count))) {
      assertThat(outcome.usage().inputTokens()).isBetween(Json.MOST_COUNTED, 3 * Json.MOST_COUNTED);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"-5", "-1e30", "null", "\"many\"", "[]", "\"NaN\"", "NaN"})
  void takesWhatIsNoCountForNone(String count) throws InterruptedException {
    for (var outcome : everyAnswer(withCounts(count))) {
      assertThat(outcome.usage()).isEqualTo(Usage.NONE);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"7.9", "\"7\"", "7"})
  void countsWhatIsWrittenInAnotherWay(String count) throws InterruptedException {
    for (var outcome : everyAnswer(withCounts(count))) {
      assertThat(outcome.usage().inputTokens()).isIn(7L, 21L);
    }
  }

  // --- embeddings

  @ParameterizedTest
  @ValueSource(strings = {"1e39", "-1e39", "1e999", "NaN", "Infinity", "-Infinity", "\"NaN\""})
  void reportsAnEmbeddingWithANumberThatIsNone(String number) throws InterruptedException {
    assumeTrue(vendor.has(Lack.EMBEDDINGS));
    stub.next(StubReply.wire(full(200, embeddings("[[0.5,1],[%s,1]]".formatted(number)))));

    assertThat(error(embed()).code()).isEqualTo(LlmErrorCode.MALFORMED_RESPONSE);
  }

  /// As base64 where that is asked for.
  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void reportsAnEmbeddingWithAFloatThatIsNone(float number) throws InterruptedException {
    assumeTrue(vendor.has(Lack.EMBEDDINGS));
    stub.next(new StubReply.Vectors(List.of(List.of(0.5f, 1f), List.of(1f, number))));

    assertThat(error(embed()).code()).isEqualTo(LlmErrorCode.MALFORMED_RESPONSE);
  }

  // --- what is not read

  @Test
  void readsAnAnswerBesideWhatNobodyReads() throws InterruptedException {
    for (var odd :
        List.of(
            "\"x\":" + "7".repeat(1_001),
            "\"x\":-" + "7".repeat(20_000),
            "\"x\":0." + "7".repeat(20_000),
            "\"x\":1e999999999",
            "\"x\":" + "[".repeat(20_000) + "]".repeat(20_000),
            "\"x\":" + "{\"x\":".repeat(3_000) + "1" + "}".repeat(3_000),
            "\"" + "k".repeat(50_001) + "\":1",
            "\"x\":-Infinity",
            "\"x\":\"\u0001\"",
            "\"x\":\"\\ud83d\"")) {
      assertEveryAnswer(withField(odd));
    }
  }

  @Test
  void readsAnAnswerOfALongNumberInSeconds() throws InterruptedException {
    stub.next(new StubReply.Changed(ANSWER, withField("\"x\":" + "7".repeat(900_000))));

    assertThat(ask(PROMPT)).isInstanceOf(LlmOutcome.Answered.class);
  }

  @Test
  void readsAnAnswerWithABadByte() throws InterruptedException {
    var path = vendor.path("model-1");
    var whole = (WireReply.Full) stub.inOnePiece(path, "The sky is blue.");
    var badByte = withField("\"x\":\"\u00A7\"");
    stub.next(
        StubReply.wire(
            new WireReply.Bytes(
                200, whole.headers(), badByte.apply(whole.body()).getBytes(ISO_8859_1))),
        StubReply.wire(
            new WireReply.Bytes(
                200,
                Map.of("Content-Type", "text/event-stream"),
                badByte.apply(stub.asEvents(path, "The sky is blue.")).getBytes(ISO_8859_1))));

    assertThat(ask(PROMPT)).isInstanceOf(LlmOutcome.Answered.class);
    assertThat(stream()).isInstanceOf(LlmOutcome.Answered.class);
  }

  @Test
  void readsAnAnswerInUtf16() throws InterruptedException {
    var whole = (WireReply.Full) stub.inOnePiece(vendor.path("model-1"), "The sky is blue.");
    stub.next(
        StubReply.wire(new WireReply.Bytes(200, whole.headers(), whole.body().getBytes(UTF_16))));

    assertThat(ask(PROMPT)).isInstanceOf(LlmOutcome.Answered.class);
  }

  // --- compression

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "BROTLI")
  void readsACompressedReply(Coding coding) throws InterruptedException {
    for (var outcome : everyWay(new StubReply.Compressed(ANSWER, coding))) {
      assertThat(outcome).isNotInstanceOf(LlmOutcome.Failed.class);
    }
  }

  @Test
  void saysWhichCompressionItCannotRead() throws InterruptedException {
    for (var outcome : everyWay(new StubReply.Compressed(ANSWER, Coding.BROTLI))) {
      assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.MALFORMED_RESPONSE);
      assertThat(error(outcome).message()).contains("encoded as br");
    }
  }

  @Test
  void boundsWhatACompressedReplyBecomes() throws InterruptedException {
    var bomb = new WireReply.Encoded(full(200, " ".repeat(20 * MAX_BYTES)), Coding.GZIP);

    for (var outcome : everyWay(bomb, bomb)) {
      assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.RESPONSE_TOO_LARGE);
    }
  }

  @Test
  void readsACompressedError() throws InterruptedException {
    var reply = new WireReply.Encoded(full(429, "{\"error\":\"Told so.\"}"), Coding.GZIP);

    for (var outcome : everyWay(reply, reply)) {
      assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.RATE_LIMITED);
      assertThat(error(outcome).message()).contains("Told so.");
    }
  }

  // --- what cannot be read

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          <html><body>private</body></html> | is HTML or XML, not JSON; check the base URL
          {"private": tru                   | is not JSON at character 12 of 15 (line 1, column 13)
          {"private": "                     | ends in the middle of its JSON, after 13 characters
          {"private" 1}                     | is not JSON at character 11 of 13 (line 1, column 12)
          {} private                        | is not JSON at character
          private                           | is not JSON at character
          ` `                               | is empty
          []                                | is a JSON array, not an object
          [{"private":1}]                   | is a JSON array, not an object
          "private"                         | is a JSON string, not an object
          """)
  void saysWhatIsWrongAndWhere(String body, String words) throws InterruptedException {
    for (var outcome : everyWay(full(200, body), full(200, body))) {
      assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.MALFORMED_RESPONSE);
      assertThat(error(outcome).message()).contains("the reply " + words).doesNotContain("private");
    }
  }

  @Test
  void boundsTheLevels() throws InterruptedException {
    var deep = full(200, "[".repeat(Json.MOST_LEVELS + 1));
    for (var outcome : everyWay(deep, deep)) {
      assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.MALFORMED_RESPONSE);
      assertThat(error(outcome).message()).contains("is nested more than 100000 levels deep");
    }
  }

  // --- why the model stopped

  @ParameterizedTest
  @ValueSource(
      strings = {
        "tool_calls",
        "function_call",
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "OTHER",
        "LANGUAGE",
        "NO_IMAGE",
        "IMAGE_OTHER",
        "pause_turn",
        "unheard_of"
      })
  void namesAReasonOfTheModelsOwn(String reason) throws InterruptedException {
    var word = reason.toLowerCase(Locale.ROOT);
    for (var outcome : bothWays(stopped("", reason))) {
      var error = error(outcome);
      assertThat(error.code()).isEqualTo(LlmErrorCode.EMPTY_ANSWER);
      assertThat(error.message()).contains("stopped without a word: " + reason);
      assertThat(error.finishReason()).isEqualTo(new FinishReason(word));
    }
    for (var outcome : bothWays(stopped("The sky is", reason))) {
      assertThat(outcome)
          .isInstanceOfSatisfying(
              LlmOutcome.Answered.class,
              answered -> assertThat(answered.finishReason().word()).isEqualTo(word));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "content_filter",
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MODEL_ARMOR",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION"
      })
  void takesAReasonOfSafetyForTheFilter(String reason) throws InterruptedException {
    for (var outcome : bothWays(stopped("The sky is", reason))) {
      assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.CONTENT_FILTER);
      assertThat(error(outcome).finishReason()).isEqualTo(FinishReason.CONTENT_FILTER);
    }
  }

  @Test
  void showsNoReasonThatIsNoWord() throws InterruptedException {
    for (var outcome : bothWays(stopped("", PROMPT))) {
      assertThat(error(outcome).finishReason()).isEqualTo(FinishReason.OTHER);
      assertThat(error(outcome).message()).doesNotContain("Prague");
    }
  }

  // --- the words above

  /// The vendor's answer cut short, with another reason.
  private static StubReply stopped(String text, String reason) {
    return new StubReply.Changed(
        new StubReply.Truncated(text),
        body ->
            body.replaceAll(
                "\"(finish_reason|finishReason|stop_reason|done_reason|reason)\":\"[^\"]*\"",
                "\"$1\":\"" + reason + "\""));
  }

  private static UnaryOperator<String> withCounts(String count) {
    return body ->
        body.replaceAll(
            "\"(\\w*_tokens|\\w*TokenCount|prompt_eval_count|eval_count)\":\\d+",
            "\"$1\":" + count.replace("\\", "\\\\"));
  }

  /// Another field at the front of each object.
  private static UnaryOperator<String> withField(String field) {
    return body ->
        body.replaceAll("(?m)^((?:data: )?)\\{", "$1{" + field.replace("\\", "\\\\") + ",");
  }

  private String embeddings(String vectors) {
    return switch (vendor) {
      case GEMINI ->
          "{\"embeddings\":%s}"
              .formatted(vectors.replaceAll("\\[([^\\[\\]]+)]", "{\"values\":[$1]}"));
      case OLLAMA -> "{\"embeddings\":%s}".formatted(vectors);
      default ->
          "{\"data\":%s}".formatted(vectors.replaceAll("\\[([^\\[\\]]+)]", "{\"embedding\":[$1]}"));
    };
  }

  private static WireReply.Full full(int status, String body) {
    return new WireReply.Full(status, Map.of("Content-Type", "application/json"), body);
  }

  private WireReply event(String json) {
    return stream(framed(json));
  }

  private String framed(String json) {
    return vendor == Vendor.OLLAMA ? json + "\n" : "data: " + json + "\n\n";
  }

  private static WireReply stream(String events) {
    return new WireReply.Stream(
        Map.of("Content-Type", "text/event-stream"), List.of(events), WireReply.Ending.WHOLE, 0);
  }

  private LlmOutcome stream() throws InterruptedException {
    return provider().ask(streamed(PROMPT, Duration.ofSeconds(30)), PieceListener.NONE);
  }

  private LlmOutcome embed() throws InterruptedException {
    return provider().embed(new EmbedCall(null, TEXTS, null, Duration.ofSeconds(30)));
  }

  private List<LlmOutcome> bothWays(StubReply reply) throws InterruptedException {
    stub.next(reply, reply);
    return List.of(ask(PROMPT), stream());
  }

  private List<LlmOutcome> everyWay(StubReply reply) throws InterruptedException {
    var outcomes = new ArrayList<>(bothWays(reply));
    if (vendor.has(Lack.EMBEDDINGS)) {
      stub.next(reply);
      outcomes.add(embed());
    }
    return outcomes;
  }

  private List<LlmOutcome> everyWay(WireReply whole, WireReply stream) throws InterruptedException {
    stub.next(StubReply.wire(whole), StubReply.wire(stream));
    var outcomes = new ArrayList<>(List.of(ask(PROMPT), stream()));
    if (vendor.has(Lack.EMBEDDINGS)) {
      stub.next(StubReply.wire(whole));
      outcomes.add(embed());
    }
    for (var outcome : outcomes) {
      assertThat(outcome.toString()).doesNotContain(VendorStub.KEY);
    }
    return outcomes;
  }

  private List<LlmOutcome> everyAnswer(UnaryOperator<String> change) throws InterruptedException {
    var outcomes = everyWay(new StubReply.Changed(ANSWER, change));
    assertThat(outcomes).noneMatch(LlmOutcome.Failed.class::isInstance);
    return outcomes;
  }

  private void assertEveryAnswer(UnaryOperator<String> change) throws InterruptedException {
    var _ = everyAnswer(change);
  }
}
