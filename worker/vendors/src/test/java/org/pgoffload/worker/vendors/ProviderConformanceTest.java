package org.pgoffload.worker.vendors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.vendors.StubLimits;
import org.pgoffload.dev.testkit.vendors.StubOptions;
import org.pgoffload.dev.testkit.vendors.StubQuestion;
import org.pgoffload.dev.testkit.vendors.StubReply;
import org.pgoffload.dev.testkit.vendors.StubReply.Kind;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOptions;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Part;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.RateLimit;
import org.pgoffload.worker.models.Turn;
import org.pgoffload.worker.vendors.Vendor.Lack;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.SelfSigned;

/// What every provider has to do, over real HTTP against a stub that refuses what the vendors do
/// not document. It is long because it is the one list of what a provider guarantees.
@ParameterizedClass
@EnumSource
class ProviderConformanceTest extends ConformanceSuite {
  private static final JsonNode CLOSED_SCHEMA =
      Json.readObject(
              """
              {"type": "object", "properties": {"name": {"type": "string"}},
               "required": ["name"], "additionalProperties": false}
              """)
          .orElseThrow();

  /// The bytes of a picture, as far as the stub can tell.
  private static final String IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAE=";

  ProviderConformanceTest(Vendor vendor) {
    super(vendor);
  }

  // --- answers

  @Test
  void answers() throws InterruptedException {
    assertThat(ask(PROMPT))
        .isEqualTo(
            new LlmOutcome.Answered(
                "stub answer to: " + PROMPT, FinishReason.STOP, origin(), usage(), List.of()));
  }

  @Test
  void sendsTheWholeConversationAndEveryOption() throws InterruptedException {
    var turns = List.of(Turn.user("One?"), Turn.assistant("Yes: one."), Turn.user("And two?"));
    var stop = vendor.has(Lack.STOP) ? List.of("END", "\n") : List.<String>of();
    var effort = vendor.has(Lack.REASONING_EFFORT) ? "low" : null;
    var options = new LlmOptions(0.5, 64, stop, effort, CLOSED_SCHEMA);

    var outcome =
        provider()
            .ask(
                new LlmCall(
                    7, "model-2", "Be brief.", turns, options, false, Duration.ofSeconds(30)),
                PieceListener.NONE);

    assertThat(outcome).isInstanceOf(LlmOutcome.Answered.class);
    assertThat(stub.questions())
        .containsExactly(
            new StubQuestion(
                vendor.path("model-2"),
                "model-2",
                "Be brief.",
                List.of("user: One?", "assistant: Yes: one.", "user: And two?"),
                new StubOptions(0.5, 64, stop, effort, CLOSED_SCHEMA, null, false),
                false));
  }

  @Test
  void sendsNoOptionThatIsNotGiven() throws InterruptedException {
    ask(PROMPT);

    // Anthropic alone wants a limit in every request.
    var limit = vendor == Vendor.ANTHROPIC ? Integer.valueOf(16_000) : null;
    assertThat(stub.questions())
        .containsExactly(
            new StubQuestion(
                vendor.path("model-1"),
                "model-1",
                null,
                List.of("user: " + PROMPT),
                StubOptions.limit(limit),
                false));
  }

  @ParameterizedTest
  @ValueSource(strings = {"image/png", "image/jpeg", "image/webp", "image/gif"})
  void sendsOrRefusesAnImage(String mediaType) throws InterruptedException {
    var image = new Part.InlineImage(IMAGE, mediaType);
    var outcome = ask(new Part.Text("What is"), new Part.Text("this?"), image, image);

    if (mediaType.equals("image/gif") && !vendor.has(Lack.GIF)) {
      assertRefused(outcome, "image/gif");
      return;
    }
    assertThat(outcome).isInstanceOf(LlmOutcome.Answered.class);
    assertThat(stub.questions().getFirst().turns().getFirst().replace('\n', ' '))
        .isEqualTo("user: What is this? %1$s %1$s".formatted(shown(mediaType)));
  }

  @Test
  void sendsAnImageWithoutWords() throws InterruptedException {
    assertThat(ask(new Part.InlineImage(IMAGE, "image/png")))
        .isInstanceOf(LlmOutcome.Answered.class);
    assertThat(stub.questions().getFirst().turns()).containsExactly("user: " + shown("image/png"));
  }

  @Test
  void sendsOrRefusesTheAddressOfAnImage() throws InterruptedException {
    var outcome =
        ask(
            new Part.Text("Alike?"),
            new Part.LinkedImage("https://images.example/a?key=1", null),
            new Part.LinkedImage("https://images.example/b", "image/png"));

    if (vendor.has(Lack.LINKED_IMAGES)) {
      assertThat(outcome).isInstanceOf(LlmOutcome.Answered.class);
      assertThat(stub.questions().getFirst().turns())
          .containsExactly(
              "user: Alike? [https://images.example/a?key=1] [https://images.example/b]");
    } else {
      assertRefused(outcome, "url");
    }
  }

  @Test
  void showsNoImageInAnErrorOrATextForm() throws InterruptedException {
    stub.next(StubReply.failure(Kind.BAD_REQUEST));
    var linked = new Part.LinkedImage("https://images.example/private?sig=secret", null);
    var call = call(new Part.InlineImage(IMAGE, "image/png"), linked);

    var shown = List.of(call, call.turns(), call.turns().getFirst().parts()).toString();

    assertThat(shown).doesNotContain(IMAGE, "private", "secret");
    var outcome =
        vendor.has(Lack.LINKED_IMAGES)
            ? provider().ask(call, PieceListener.NONE)
            : ask(new Part.InlineImage(IMAGE, "image/png"));
    assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.INVALID_REQUEST);
    assertThat(error(outcome).message()).doesNotContain(IMAGE, "private", "secret");
  }

  @ParameterizedTest
  @ValueSource(strings = {"none", "minimal", "low", "medium", "high", "xhigh"})
  void sendsOrRefusesEveryEffort(String effort) throws InterruptedException {
    var outcome = ask(new LlmOptions(null, null, List.of(), effort, null));

    if (outcome instanceof LlmOutcome.Answered) {
      assertThat(stub.questions().getFirst().options().reasoningEffort()).isEqualTo(effort);
    } else {
      assertRefused(outcome, "reasoning_effort");
    }
  }

  @Test
  void refusesStopWhereTheApiHasNone() throws InterruptedException {
    assumeFalse(vendor.has(Lack.STOP));

    assertRefused(ask(new LlmOptions(null, null, List.of("END"), null, null)), "stop");
  }

  @Test
  void takesASchemaThatTheVendorDoesNotTakeAsItIs() throws InterruptedException {
    var schema =
        Json.readObject(
                """
                {"type": "object", "properties": {
                  "name": {"type": "string", "minLength": 1},
                  "age": {"type": "integer", "description": "In years.", "minimum": 0}}}
                """)
            .orElseThrow();

    assertThat(ask(new LlmOptions(null, null, List.of(), null, schema)))
        .isInstanceOf(LlmOutcome.Answered.class);
  }

  @Test
  void reportsAnOptionThatTheModelRefusesInTheVendorsWords() throws InterruptedException {
    stub.next(StubReply.failure(Kind.UNSUPPORTED_OPTION));

    var error = error(ask(new LlmOptions(0.5, null, List.of(), null, null)));

    assertThat(error.code()).isEqualTo(LlmErrorCode.UNSUPPORTED_OPTION);
    assertThat(error.httpStatus()).isEqualTo(400);
    assertThat(error.message()).contains("temperature");
  }

  @Test
  void tellsTheVendorsLimits() throws InterruptedException {
    assumeTrue(vendor.has(Lack.LIMITS) && vendor.has(Lack.RESETS));
    stub.tell(
        new StubLimits(
            500, 499, Duration.ofMillis(120), 200_000, 12_345, Duration.ofSeconds(90), NOW));
    var limits =
        List.of(
            new RateLimit(RateLimit.Unit.REQUESTS, 500L, 499, Duration.ofMillis(120)),
            new RateLimit(RateLimit.Unit.TOKENS, 200_000L, 12_345, Duration.ofSeconds(90)));

    assertThat(ask(PROMPT).limits()).isEqualTo(limits);
    stub.next(StubReply.failure(Kind.RATE_LIMITED));
    assertThat(ask(PROMPT).limits()).isEqualTo(limits);
  }

  @Test
  void carriesAnyText() throws InterruptedException {
    var text = "\"quotes\" \\ \n\t ž € 😀 \u2028 \u0001";
    stub.next(StubReply.answer(text));

    var outcome = ask(text);

    assertThat(stub.questions().getFirst().turns()).containsExactly("user: " + text);
    assertThat(outcome).isInstanceOf(LlmOutcome.Answered.class);
    assertThat(((LlmOutcome.Answered) outcome).text()).isEqualTo(text);
  }

  @Test
  void carriesAPromptOfFiveMegabytes() throws InterruptedException {
    var text = "abcdefgh".repeat(5 * 1024 * 128);
    stub.next(StubReply.answer("read"));

    assertThat(ask(text)).isInstanceOf(LlmOutcome.Answered.class);
    assertThat(stub.questions().getFirst().turns().getFirst()).hasSize(text.length() + 6);
  }

  @Test
  void marksATruncatedAnswer() throws InterruptedException {
    stub.next(new StubReply.Truncated("The sky is"));

    assertThat(ask(PROMPT))
        .isEqualTo(
            new LlmOutcome.Answered(
                "The sky is", FinishReason.LENGTH, origin(), usage(), List.of()));
  }

  @Test
  void saysWhatToDoWhenNoTokenWasLeftForAWord() throws InterruptedException {
    stub.next(new StubReply.Truncated(""));

    assertThat(failure(PROMPT).message()).contains("raise max_output_tokens");
  }

  // --- the vendor declines or fails

  @Test
  void reportsARefusalInTheVendorsWords() throws InterruptedException {
    assumeTrue(vendor.has(Lack.REFUSAL));
    stub.next(new StubReply.Refusal("I cannot help with that."));

    assertThat(ask(PROMPT))
        .isEqualTo(
            new LlmOutcome.Failed(
                new LlmError(
                    LlmErrorCode.REFUSAL,
                    vendor.provider + ": the model declined to answer: I cannot help with that.",
                    200,
                    null,
                    VendorStub.REQUEST_ID,
                    FinishReason.REFUSAL),
                REPORTED_MODEL,
                usage(),
                List.of()));
  }

  @Test
  void reportsAFilteredAnswer() throws InterruptedException {
    assumeTrue(vendor.has(Lack.FILTER));
    stub.next(new StubReply.FilteredAnswer());

    assertThat(failure(PROMPT).code()).isEqualTo(LlmErrorCode.CONTENT_FILTER);
  }

  @Test
  void reportsAFilteredPrompt() throws InterruptedException {
    assumeTrue(vendor.has(Lack.FILTER));
    stub.next(new StubReply.FilteredPrompt());

    assertThat(failure(PROMPT).code()).isEqualTo(LlmErrorCode.CONTENT_FILTER);
  }

  @Test
  void reportsAFailureThatComesWithStatus200() throws InterruptedException {
    stub.next(new StubReply.FailedWith200("The upstream is on fire."));

    var error = failure(PROMPT);

    assertThat(error.code()).isEqualTo(LlmErrorCode.PROVIDER_ERROR);
    assertThat(error.message()).contains("The upstream is on fire.");
    assertThat(error.httpStatus()).isEqualTo(200);
  }

  @Test
  void reportsAnEmptyAnswer() throws InterruptedException {
    stub.next(new StubReply.Empty());

    assertThat(failure(PROMPT).code()).isEqualTo(LlmErrorCode.EMPTY_ANSWER);
  }

  @Test
  void reportsAWrongKeyWithoutShowingIt() throws InterruptedException {
    var wrongKey = "sk-wrong-9876543210fedcba";

    var outcome =
        vendor.at(stub.url().toString(), wrongKey, http).ask(call(PROMPT), PieceListener.NONE);

    var error = error(outcome);
    assertThat(error.code()).isEqualTo(LlmErrorCode.AUTHENTICATION_FAILED);
    assertThat(error.httpStatus()).isEqualTo(vendor.status(Kind.WRONG_KEY));
    assertThat(error.toString()).doesNotContain(wrongKey).doesNotContain("*");
  }

  @Test
  void reportsAForbiddenCall() throws InterruptedException {
    assertFailure(Kind.FORBIDDEN, LlmErrorCode.PERMISSION_DENIED, 403);
  }

  @Test
  void reportsAnUnknownModel() throws InterruptedException {
    var call = call(PROMPT).to(VendorStub.UNKNOWN_MODEL, Duration.ofSeconds(5));

    var outcome = provider().ask(call, PieceListener.NONE);

    assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.MODEL_NOT_FOUND);
    assertThat(error(outcome).httpStatus()).isEqualTo(vendor.status(Kind.UNKNOWN_MODEL));
    assertThat(((LlmOutcome.Failed) outcome).model()).isEqualTo(VendorStub.UNKNOWN_MODEL);
  }

  @Test
  void reportsAWrongBaseUrl() throws InterruptedException {
    var outcome = vendor.at(stub.url() + "/nowhere", http).ask(call(PROMPT), PieceListener.NONE);

    assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.ENDPOINT_NOT_FOUND);
    assertThat(error(outcome).message()).contains("check the base URL");
  }

  @Test
  void reportsABadRequestWithoutThePromptThatItEchoes() throws InterruptedException {
    stub.next(StubReply.failure(Kind.BAD_REQUEST));

    var error = failure(PROMPT);

    assertThat(error.code()).isEqualTo(LlmErrorCode.INVALID_REQUEST);
    assertThat(error.httpStatus()).isEqualTo(400);
    assertThat(error.message()).doesNotContain("Prague").contains("[redacted]");
  }

  @Test
  void boundsTheVendorsWords() throws InterruptedException {
    stub.next(StubReply.failure(Kind.BAD_REQUEST));

    assertThat(failure("long ".repeat(10_000)).message()).hasSizeLessThan(600);
  }

  @Test
  void reportsARequestThatIsTooLarge() throws InterruptedException {
    assertFailure(Kind.TOO_LARGE, LlmErrorCode.REQUEST_TOO_LARGE, 413);
  }

  @Test
  void reportsASpentQuotaAsFinalThoughItMayBeA429() throws InterruptedException {
    assertFailure(Kind.NO_QUOTA, LlmErrorCode.QUOTA_EXHAUSTED, vendor.status(Kind.NO_QUOTA));
    assertThat(LlmErrorCode.QUOTA_EXHAUSTED.retryable()).isFalse();
  }

  @Test
  void reportsAnErrorOfTheServer() throws InterruptedException {
    assertFailure(Kind.SERVER_ERROR, LlmErrorCode.PROVIDER_ERROR, 500);
  }

  @Test
  void reportsAnUnavailableServer() throws InterruptedException {
    assertFailure(Kind.UNAVAILABLE, LlmErrorCode.PROVIDER_OVERLOADED, 503);
  }

  @Test
  void reportsAnOverloadedServer() throws InterruptedException {
    assertFailure(Kind.OVERLOADED, LlmErrorCode.PROVIDER_OVERLOADED, 529);
  }

  @Test
  void reportsARateLimitThatNamesNoWait() throws InterruptedException {
    assertThat(waitAfterRateLimit(Map.of())).isNull();
  }

  @Test
  void reportsTheWaitInSeconds() throws InterruptedException {
    assertThat(waitAfterRateLimit(Map.of("Retry-After", "7"))).isEqualTo(Duration.ofSeconds(7));
  }

  @Test
  void reportsTheWaitUntilADate() throws InterruptedException {
    assertThat(waitAfterRateLimit(Map.of("Retry-After", "Sat, 21 Nov 2026 10:00:30 GMT")))
        .isEqualTo(Duration.ofSeconds(30));
  }

  @Test
  void reportsTheWaitInMillisecondsBeforeThatInSeconds() throws InterruptedException {
    assertThat(waitAfterRateLimit(Map.of("Retry-After", "7", "retry-after-ms", "1250")))
        .isEqualTo(Duration.ofMillis(1_250));
  }

  // --- the connection or the server misbehaves

  @Test
  void reportsMalformedJson() throws InterruptedException {
    assertThat(failure(full(200, "{\"private\": tru")).code())
        .isEqualTo(LlmErrorCode.MALFORMED_RESPONSE);
    assertThat(failure(full(200, "<html>private</html>")).message()).doesNotContain("private");
  }

  @Test
  void reportsJsonOfAnotherForm() throws InterruptedException {
    assertThat(failure(full(200, "{\"hello\": 1}")).code())
        .isEqualTo(LlmErrorCode.MALFORMED_RESPONSE);
    assertThat(failure(full(200, "[]")).code()).isEqualTo(LlmErrorCode.MALFORMED_RESPONSE);
  }

  @Test
  void reportsAnErrorWithoutJsonByItsStatus() throws InterruptedException {
    assertThat(failure(full(502, "<html>Bad Gateway</html>")).code())
        .isEqualTo(LlmErrorCode.PROVIDER_ERROR);
  }

  @Test
  void reportsACutBody() throws InterruptedException {
    assertThat(failure(new WireReply.CutBody("{\"id\":")).code())
        .isEqualTo(LlmErrorCode.CONNECTION_LOST);
  }

  @Test
  void reportsAStalledBodyLongBeforeTheTimeout() throws InterruptedException {
    stub.next(StubReply.wire(new WireReply.StalledBody("{\"id\":")));

    var error = error(impatientProvider().ask(call(PROMPT), PieceListener.NONE));

    assertThat(error.code()).isEqualTo(LlmErrorCode.RESPONSE_STALLED);
    assertThat(stub.awaitDisconnect(5)).isTrue();
  }

  @Test
  void reportsAReplyThatDoesNotComeInTime() throws InterruptedException {
    stub.next(StubReply.wire(new WireReply.Silence()));

    var error = error(provider().ask(call(PROMPT, Duration.ofMillis(300)), PieceListener.NONE));

    assertThat(error.code()).isEqualTo(LlmErrorCode.TIMEOUT);
    assertThat(stub.awaitDisconnect(5)).isTrue();
  }

  @Test
  void reportsHeadersThatNeverEndInTime() throws InterruptedException {
    stub.next(StubReply.wire(new WireReply.EndlessHeaders()));

    var error = error(provider().ask(call(PROMPT, Duration.ofMillis(300)), PieceListener.NONE));

    assertThat(error.code()).isEqualTo(LlmErrorCode.TIMEOUT);
    assertThat(stub.awaitDisconnect(5)).isTrue();
  }

  @Test
  void asksOthersWhileOneVendorStandsStill() throws InterruptedException {
    stub.next(
        StubReply.wire(new WireReply.Silence()),
        StubReply.wire(new WireReply.EndlessHeaders()),
        StubReply.wire(new WireReply.StalledBody("{")));
    var waiting = new ArrayList<Thread>();
    for (var i = 0; i < 3; i++) {
      waiting.add(
          Thread.ofVirtual()
              .start(() -> {
                try {
                  provider().ask(call(PROMPT), PieceListener.NONE);
                } catch (InterruptedException ended) {
                  // The test is over.
                }
              }));
      assertThat(stub.awaitQuestion(5)).isTrue();
    }

    assertThat(ask(PROMPT)).isInstanceOf(LlmOutcome.Answered.class);
    waiting.forEach(Thread::interrupt);
  }

  @Test
  void reportsAResetConnection() throws InterruptedException {
    assertThat(failure(new WireReply.Reset()).code()).isEqualTo(LlmErrorCode.CONNECTION_LOST);
  }

  @Test
  void reportsAnUnreachableServer() throws InterruptedException, IOException {
    int freed;
    try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      freed = socket.getLocalPort();
    }

    var outcome =
        vendor.at("http://localhost:" + freed, http).ask(call(PROMPT), PieceListener.NONE);

    assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.PROVIDER_UNREACHABLE);
    assertThat(error(outcome).message())
        .isEqualTo(
            vendor.provider + ": no connection to localhost:" + freed + ": connection refused");
  }

  @Test
  void reportsAnUnknownHost() throws InterruptedException {
    var outcome =
        vendor.at("http://no-such-host.invalid", http).ask(call(PROMPT), PieceListener.NONE);

    assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.PROVIDER_UNREACHABLE);
    assertThat(error(outcome).message())
        .isEqualTo(vendor.provider + ": no connection to no-such-host.invalid:80: no such host");
  }

  @ParameterizedTest
  @ValueSource(strings = {"no_such_host.invalid:8080", "no-such-host.invalid:8080"})
  void namesTheHostThatIsUnreachableAndNoSecretOfItsAddress(String host)
      throws InterruptedException {
    var provider = vendor.at("http://" + host, "?key=s3cr3t-of-the-query", VendorStub.KEY, http);

    var outcome = provider.ask(call(PROMPT), PieceListener.NONE);

    assertThat(error(outcome).message())
        .isEqualTo(vendor.provider + ": no connection to " + host + ": no such host");
    assertThat(provider.toString()).doesNotContain("s3cr3t");
  }

  @Test
  void callsAHostThatTheJdkHasNoNameFor() throws InterruptedException {
    // as it has none for my_llm, which nothing here could look up
    var address = "http://127.1:" + stub.url().getPort();

    assertThat(vendor.at(address, http).ask(call(PROMPT), PieceListener.NONE))
        .isInstanceOf(LlmOutcome.Answered.class);
  }

  @Test
  void keepsTheQueryOfTheAddress() throws InterruptedException {
    stub.wantQuery("api-version=2024-10-21");
    var provider =
        vendor.at(stub.url().toString(), "/?api-version=2024-10-21", VendorStub.KEY, http);

    assertThat(provider.ask(call(PROMPT), PieceListener.NONE))
        .isInstanceOf(LlmOutcome.Answered.class);
  }

  @Test
  void showsNoSecretOfTheAddressThatTheVendorRepeats() throws InterruptedException {
    var provider =
        vendor.at(
            stub.url().toString(), "?v=2&subscription-key=s3cr3t%2Dvalue", VendorStub.KEY, http);
    stub.next(
        StubReply.wire(
            full(404, "{\"error\": {\"message\": \"No v=2, key=s3cr3t-value, s3cr3t%2Dvalue\"}}")));
    stub.wantQuery("v=2&subscription-key=s3cr3t%2Dvalue");

    assertThat(error(provider.ask(call(PROMPT), PieceListener.NONE)).message())
        .contains("v=2, key=")
        .doesNotContain("s3cr3t");
  }

  @Test
  void beginsNoCallWithoutTime() throws InterruptedException {
    var error = error(provider().ask(call(PROMPT, Duration.ofNanos(999_999)), PieceListener.NONE));

    assertThat(error.code()).isEqualTo(LlmErrorCode.TIMEOUT);
    assertThat(stub.connections()).isZero();
  }

  @Test
  void followsNoRedirect() throws InterruptedException {
    var elsewhere = Map.of("Location", stub.url() + vendor.path("model-1"));

    var error = failure(new WireReply.Full(307, elsewhere, ""));

    assertThat(error.code()).isEqualTo(LlmErrorCode.UNEXPECTED_REDIRECT);
    assertThat(stub.questions()).hasSize(1);
  }

  @Test
  void readsNoReplyBeyondTheLimit() throws InterruptedException {
    assertThat(failure(new WireReply.Huge(50_000_000)).code())
        .isEqualTo(LlmErrorCode.RESPONSE_TOO_LARGE);
  }

  @Test
  void endsTheCallWhenItsThreadIsInterrupted() throws InterruptedException {
    stub.next(StubReply.wire(new WireReply.Silence()));
    var ended = new CompletableFuture<Throwable>();
    var asking =
        Thread.ofVirtual()
            .start(() -> {
              try {
                provider().ask(call(PROMPT, Duration.ofMinutes(5)), PieceListener.NONE);
                ended.completeExceptionally(new AssertionError("not interrupted"));
              } catch (InterruptedException interrupted) {
                ended.complete(interrupted);
              }
            });
    assertThat(stub.awaitQuestion(5)).isTrue();

    asking.interrupt();

    assertThat(ended).succeedsWithin(5, TimeUnit.SECONDS);
    assertThat(stub.awaitDisconnect(5)).isTrue();
  }

  @Test
  void refusesASelfSignedCertificate() throws InterruptedException {
    try (var secure = VendorStub.startWithTls(SelfSigned.CONTEXT)) {
      var outcome = vendor.at(secure.url().toString(), http).ask(call(PROMPT), PieceListener.NONE);

      assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.TLS_FAILURE);
      assertThat(secure.questions()).isEmpty();
    }
  }

  @Test
  void asksOverTlsWithATrustedCertificate() throws InterruptedException {
    try (var secure = VendorStub.startWithTls(SelfSigned.CONTEXT);
        var trusting =
            new PostJson(
                settings(Duration.ofSeconds(5)), InstantSource.fixed(NOW), SelfSigned.CONTEXT)) {
      var outcome =
          vendor.at(secure.url().toString(), trusting).ask(call(PROMPT), PieceListener.NONE);

      assertThat(outcome).isInstanceOf(LlmOutcome.Answered.class);
    }
  }

  @Test
  void retriesNothingByItself() throws InterruptedException {
    stub.next(StubReply.failure(Kind.RATE_LIMITED), StubReply.wire(new WireReply.Reset()));

    ask(PROMPT);
    ask(PROMPT);

    assertThat(stub.questions()).hasSize(2);
  }

  @Test
  void showsNeitherKeyNorPromptNorAnswerInAnyTextForm() throws InterruptedException {
    stub.next(StubReply.answer("The answer is private."));
    var call = call(PROMPT);
    var provider = provider();

    var shown =
        List.of(
                call,
                call.turns(),
                provider,
                ((HttpProvider) provider).credentials(Duration.ofSeconds(1)),
                provider.ask(call, PieceListener.NONE))
            .toString();

    assertThat(shown).doesNotContain(VendorStub.KEY, "Prague", "private");
  }

  // --- the words above

  /// The image as the stub tells of it: Ollama alone is told no type.
  private String shown(String mediaType) {
    return "[" + (vendor == Vendor.OLLAMA ? "" : mediaType + " ") + IMAGE + "]";
  }

  private LlmOutcome ask(Part... parts) throws InterruptedException {
    return provider().ask(call(parts), PieceListener.NONE);
  }

  private static LlmCall call(Part... parts) {
    var turns = List.of(new Turn(Turn.Role.USER, List.of(parts)));
    return new LlmCall(7, null, null, turns, LlmOptions.DEFAULTS, false, Duration.ofSeconds(30));
  }

  private LlmOutcome ask(LlmOptions options) throws InterruptedException {
    return provider().ask(call(PROMPT, options, Duration.ofSeconds(30)), PieceListener.NONE);
  }

  /// Refused before any call, in words that name the option and the provider.
  private void assertRefused(LlmOutcome outcome, String option) {
    assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.UNSUPPORTED_OPTION);
    assertThat(error(outcome).message()).startsWith(vendor.provider + ": ").contains(option);
    assertThat(stub.questions()).isEmpty();
  }

  private void assertFailure(Kind kind, LlmErrorCode code, int status) throws InterruptedException {
    stub.next(StubReply.failure(kind));
    var error = failure(PROMPT);
    assertThat(error.code()).isEqualTo(code);
    assertThat(error.httpStatus()).isEqualTo(status);
    // A compatible server may send none, the stub's always does.
    assertThat(error.providerRequestId()).isEqualTo(requestId());
  }

  private @Nullable Duration waitAfterRateLimit(Map<String, String> headers)
      throws InterruptedException {
    stub.next(new StubReply.Failure(Kind.RATE_LIMITED, headers));
    var error = failure(PROMPT);
    assertThat(error.code()).isEqualTo(LlmErrorCode.RATE_LIMITED);
    assertThat(error.retryable()).isTrue();
    return error.retryAfter();
  }

  private static WireReply full(int status, String body) {
    return new WireReply.Full(status, Map.of("Content-Type", "application/json"), body);
  }
}
