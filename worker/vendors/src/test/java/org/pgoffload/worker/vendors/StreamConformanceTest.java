package org.pgoffload.worker.vendors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.vendors.StubReply;
import org.pgoffload.dev.testkit.vendors.StubReply.Fault;
import org.pgoffload.dev.testkit.vendors.StubReply.Kind;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.vendors.Vendor.Lack;

/// What every provider has to do with an answer that comes piece by piece, over real HTTP: end as
/// the same answer does in one piece, and with an error that says what befell the stream.
@ParameterizedClass
@EnumSource
class StreamConformanceTest extends ConformanceSuite {
  private final List<String> pieces = new ArrayList<>();

  StreamConformanceTest(Vendor vendor) {
    super(vendor);
  }

  @Test
  void givesTheAnswerWordByWord() throws InterruptedException {
    assertThat(stream()).isEqualTo(ask(PROMPT));
    assertThat(pieces)
        .containsExactly(
            "stub ", "answer ", "to: ", "Why ", "is ", "the ", "sky ", "over ", "Prague ", "so ",
            "blue?");
  }

  @Test
  void asksForAStreamWithNothingElseChanged() throws InterruptedException {
    ask(PROMPT);
    stream();

    var whole = stub.questions().getFirst();
    var streamed = stub.questions().getLast();
    assertThat(whole.stream()).isFalse();
    assertThat(streamed.stream()).isTrue();
    assertThat(streamed.options()).isEqualTo(whole.options());
    assertThat(streamed.turns()).isEqualTo(whole.turns());
  }

  @Test
  void handsAPieceOnBeforeTheNextIsThere() throws InterruptedException {
    stub.next(new StubReply.BadStream("One two ", Fault.STALLED));
    var first = new CompletableFuture<String>();
    var asking = start(first::complete);

    assertThat(first).succeedsWithin(5, TimeUnit.SECONDS).isEqualTo("One ");
    asking.interrupt();
    assertThat(stub.awaitDisconnect(5)).isTrue();
  }

  @Test
  void putsTogetherWhatTheNetworkTearsApart() throws InterruptedException {
    var text = "\"quotes\" \\ \n\t ž € 😀 \u2028 \u0001";
    stub.next(new StubReply.TornStream(text, 1));

    assertThat(stream())
        .isEqualTo(new LlmOutcome.Answered(text, FinishReason.STOP, origin(), usage(), List.of()));
    assertThat(String.join("", pieces)).isEqualTo(text);
  }

  @Test
  void reusesTheConnectionOfAStream() throws InterruptedException {
    stream();
    stream();
    stream();

    assertThat(stub.connections()).isEqualTo(1);
  }

  @Test
  void endsLikeTheAnswerInOnePiece() throws InterruptedException {
    for (var reply :
        List.of(
            new StubReply.Truncated("The sky is"),
            new StubReply.Refusal("I cannot help with that."),
            new StubReply.FilteredAnswer(),
            new StubReply.FilteredPrompt(),
            new StubReply.Empty(),
            new StubReply.FailedWith200("The upstream is on fire."),
            StubReply.failure(Kind.WRONG_KEY),
            StubReply.failure(Kind.NO_QUOTA),
            StubReply.failure(Kind.UNSUPPORTED_OPTION),
            new StubReply.Failure(Kind.RATE_LIMITED, Map.of("Retry-After", "7")),
            StubReply.failure(Kind.OVERLOADED))) {
      if (!knows(reply)) {
        continue;
      }
      stub.next(reply, reply);

      var streamed = stream();

      // The tokens of an error that comes with status 200 are not told of a stream by every vendor.
      assertThat(streamed).as("%s", reply).isEqualTo(ask(PROMPT));
    }
  }

  private boolean knows(StubReply reply) {
    return switch (reply) {
      case StubReply.Refusal _ -> vendor.has(Lack.REFUSAL);
      case StubReply.FilteredAnswer _, StubReply.FilteredPrompt _ -> vendor.has(Lack.FILTER);
      default -> true;
    };
  }

  @Test
  void takesAnAnswerInOnePieceThoughAStreamWasAskedFor() throws InterruptedException {
    var whole = stub.inOnePiece(vendor.path("model-1"), "The sky is blue.");
    stub.next(StubReply.wire(whole));

    assertThat(stream()).isInstanceOf(LlmOutcome.Answered.class);
    assertThat(pieces).containsExactly("The sky is blue.");
  }

  @Test
  void takesAnAnswerInOnePieceWhateverItIsSaidToBe() throws InterruptedException {
    var whole = (WireReply.Full) stub.inOnePiece(vendor.path("model-1"), "The sky is blue.");
    var pretty = whole.body().replaceFirst("\\{", "\r\n {\n");
    for (var type :
        List.of("text/event-stream", "text/plain; charset=utf-8", "application/x-ndjson")) {
      for (var body : List.of(whole.body(), pretty, "\uFEFF" + whole.body())) {
        stub.next(StubReply.wire(new WireReply.Full(200, Map.of("Content-Type", type), body)));

        assertThat(stream()).as("%s %s", type, body).isInstanceOf(LlmOutcome.Answered.class);
        assertThat(pieces).containsExactly("The sky is blue.");
      }
    }
  }

  @Test
  void takesAStreamThatIsSaidToBeJson() throws InterruptedException {
    assumeTrue(vendor != Vendor.OLLAMA);
    var usual = stream();
    stub.next(new StubReply.Mislabelled("stub answer to: " + PROMPT, "application/json"));

    assertThat(stream()).isEqualTo(usual);
  }

  @Test
  void takesTheLastEventThoughNothingClosesIt() throws InterruptedException {
    stub.next(new StubReply.BadStream("The sky is blue.", Fault.UNCLOSED));

    assertThat(stream())
        .isEqualTo(
            new LlmOutcome.Answered(
                "The sky is blue.", FinishReason.STOP, origin(), usage(), List.of()));
  }

  @Test
  void reportsAStreamThatEndsInTheMiddleOfAnEvent() throws InterruptedException {
    assertFault(Fault.TORN, LlmErrorCode.CONNECTION_LOST);
  }

  @Test
  void leavesOtherChoicesOut() throws InterruptedException {
    var other = other();
    assumeTrue(other != null);
    stub.next(new StubReply.TornStream("The sky is blue.", 0));
    var usual = stream();

    stub.next(new StubReply.MixedStream("The sky is blue.", other));

    assertThat(stream()).isEqualTo(usual);
    assertThat(String.join("", pieces)).isEqualTo("The sky is blue.");
  }

  /// An event with a choice that is not the first; null for a vendor that has one alone.
  private @Nullable String other() {
    return switch (vendor) {
      case OPENAI_COMPATIBLE, MISTRAL ->
          "data: {\"object\": \"chat.completion.chunk\", \"choices\": [{\"index\": 1,"
              + " \"delta\": {\"content\": \"Green. \"}, \"finish_reason\": \"length\"}]}\n\n";
      case GEMINI ->
          "data: {\"candidates\": [{\"index\": 1, \"content\": {\"parts\": [{\"text\": \"Green. \"}]},"
              + " \"finishReason\": \"MAX_TOKENS\"}]}\n\n";
      case OPENAI, AZURE_OPENAI, ANTHROPIC, OLLAMA -> null;
    };
  }

  /// Gateways in front of other vendors write both with each piece.
  @Test
  void readsOnWhereEachEventHasAReasonAndCounts() throws InterruptedException {
    var finished = finished();
    assumeTrue(finished != null);
    var words = List.of("The ", "sky ", "is ", "blue.");
    stub.next(
        StubReply.wire(
            new WireReply.Stream(
                Map.of("Content-Type", "text/event-stream"),
                words.stream().map(finished::formatted).toList(),
                WireReply.Ending.WHOLE,
                0)));

    var outcome = stream();

    assertThat(outcome)
        .isInstanceOfSatisfying(
            LlmOutcome.Answered.class,
            answered -> assertThat(answered.text()).isEqualTo("The sky is blue."));
    assertThat(pieces).isEqualTo(words);
  }

  /// An event with a piece, a finish reason and counts; null for a vendor whose streams end by an
  /// event of its own.
  private @Nullable String finished() {
    return switch (vendor) {
      case OPENAI_COMPATIBLE, MISTRAL ->
          "data: {\"object\": \"chat.completion.chunk\", \"choices\": [{\"index\": 0,"
              + " \"delta\": {\"content\": \"%s\"}, \"finish_reason\": \"stop\"}],"
              + " \"usage\": {\"prompt_tokens\": 1, \"completion_tokens\": 1}}\n\n";
      case GEMINI ->
          "data: {\"candidates\": [{\"index\": 0, \"content\": {\"parts\": [{\"text\": \"%s\"}]},"
              + " \"finishReason\": \"STOP\"}], \"usageMetadata\": {\"promptTokenCount\": 1,"
              + " \"candidatesTokenCount\": 1}}\n\n";
      case OPENAI, AZURE_OPENAI, ANTHROPIC, OLLAMA -> null;
    };
  }

  @Test
  void keepsTheQueryOfTheAddress() throws InterruptedException {
    stub.wantQuery("api-version=2024-10-21&flag");

    var provider =
        vendor.at(stub.url().toString(), "?api-version=2024-10-21&flag", VendorStub.KEY, http);

    assertThat(provider.ask(streamed(Duration.ofSeconds(30)), pieces::add))
        .isInstanceOf(LlmOutcome.Answered.class);
  }

  @ParameterizedTest
  @CsvSource({
    "CUT, CONNECTION_LOST",
    "UNFINISHED, CONNECTION_LOST",
    "ERROR, PROVIDER_OVERLOADED",
    "GARBAGE, MALFORMED_RESPONSE"
  })
  void reportsAStreamThatBreaks(Fault fault, LlmErrorCode code) throws InterruptedException {
    assertFault(fault, code);
  }

  @Test
  void readsNoStreamBeyondTheLimit() throws InterruptedException {
    assertFault(Fault.ENDLESS, LlmErrorCode.RESPONSE_TOO_LARGE);
    assertThat(stub.awaitDisconnect(5)).isTrue();
  }

  @Test
  void reportsAStalledStreamLongBeforeTheTimeout() throws InterruptedException {
    stub.next(new StubReply.BadStream("The sky is", Fault.STALLED));

    var error = error(impatientProvider().ask(streamed(Duration.ofSeconds(30)), pieces::add));

    assertThat(error.code()).isEqualTo(LlmErrorCode.RESPONSE_STALLED);
    assertThat(error.providerRequestId()).isEqualTo(requestId());
    assertThat(stub.awaitDisconnect(5)).isTrue();
  }

  @Test
  void reportsAStreamOfNothingButSignsOfLifeAtItsTimeout() throws InterruptedException {
    stub.next(new StubReply.BadStream("The sky is", Fault.KEPT_ALIVE));

    var error = error(provider().ask(streamed(Duration.ofMillis(400)), pieces::add));

    assertThat(error.code()).isEqualTo(LlmErrorCode.TIMEOUT);
    assertThat(stub.awaitDisconnect(5)).isTrue();
  }

  @Test
  void reportsHeadersThatNeverEndInTime() throws InterruptedException {
    stub.next(StubReply.wire(new WireReply.EndlessHeaders()));

    var error = error(provider().ask(streamed(Duration.ofMillis(300)), pieces::add));

    assertThat(error.code()).isEqualTo(LlmErrorCode.TIMEOUT);
    assertThat(stub.awaitDisconnect(5)).isTrue();
  }

  @Test
  void endsTheCallWhenItsThreadIsInterrupted() throws InterruptedException {
    stub.next(new StubReply.BadStream("The sky is", Fault.KEPT_ALIVE));
    var begun = new CompletableFuture<String>();
    var asking = start(begun::complete);
    assertThat(begun).succeedsWithin(5, TimeUnit.SECONDS);

    asking.interrupt();

    assertThat(asking.join(Duration.ofSeconds(5))).isTrue();
    assertThat(stub.awaitDisconnect(5)).isTrue();
  }

  private void assertFault(Fault fault, LlmErrorCode code) throws InterruptedException {
    stub.next(new StubReply.BadStream("The private sky is", fault));

    var error = error(stream());

    assertThat(error.code()).isEqualTo(code);
    assertThat(error.httpStatus()).isEqualTo(200);
    if (vendor.has(Lack.ID)) {
      assertThat(error.providerRequestId()).isEqualTo(VendorStub.REQUEST_ID);
    }
    assertThat(error.message()).doesNotContain("Prague", "private", VendorStub.KEY);
    assertThat(String.join("", pieces)).startsWith("The private sky is");
  }

  private Thread start(PieceListener listener) {
    var provider = provider();
    return Thread.ofVirtual()
        .start(() -> {
          try {
            provider.ask(streamed(Duration.ofMinutes(5)), listener);
          } catch (InterruptedException ended) {
            // As the test wanted it.
          }
        });
  }

  private LlmOutcome stream() throws InterruptedException {
    pieces.clear();
    return provider().ask(streamed(Duration.ofSeconds(30)), pieces::add);
  }

  private static LlmCall streamed(Duration timeout) {
    return streamed(PROMPT, timeout);
  }
}
