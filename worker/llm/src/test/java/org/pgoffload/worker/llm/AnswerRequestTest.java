package org.pgoffload.worker.llm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.MaintainedRow;
import org.pgoffload.protocol.RequestKind;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultHead;
import org.pgoffload.protocol.TokenCounts;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.delivery.ConsumedRequest;
import org.pgoffload.worker.delivery.PendingRequests;
import org.pgoffload.worker.delivery.TestRequests;
import org.pgoffload.worker.llm.calls.CallSettings;
import org.pgoffload.worker.llm.calls.EmbedTogether;
import org.pgoffload.worker.llm.calls.MakeCalls;
import org.pgoffload.worker.llm.questions.Question;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.EmbedLimits;
import org.pgoffload.worker.models.FakeProvider;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOptions;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.LlmProviders;
import org.pgoffload.worker.models.ModelTarget;
import org.pgoffload.worker.models.Part;
import org.pgoffload.worker.models.Turn;
import org.pgoffload.worker.models.Usage;

final class AnswerRequestTest {
  private static final Instant SIGNED = Instant.ofEpochSecond(1);
  private static final LlmAttempt AT_ONCE = attempt(1, SIGNED.plusMillis(20));
  private static final InstantSource CLOCK =
      InstantSource.fixed(Instant.parse("2026-01-02T03:04:05.6Z"));

  private static final MakeCalls MAKE =
      new MakeCalls(CallSettings.DEFAULTS, CLOCK, Telemetry.none());
  private static final EmbedTogether EMBED = new EmbedTogether(MAKE, CallSettings.DEFAULTS);
  private static final DescribeAnswer DESCRIBE = new DescribeAnswer("w", CLOCK);
  private static final ScheduledExecutorService TIMER = Executors.newScheduledThreadPool(1);

  @AfterAll
  static void close() {
    EMBED.close();
    MAKE.close();
    TIMER.shutdownNow();
  }

  @Test
  void answersWithEverythingThatTheProviderTold() throws Exception {
    var result = answer(new FakeProvider(), envelope("{\"prompt\": \"why?\"}"), AT_ONCE);
    assertThat(result)
        .usingRecursiveComparison()
        .ignoringFieldsMatchingRegexes("provenance.*ranMs")
        .isEqualTo(
            new Result(
                new ResultHead(1, 9, "ask", "succeeded", "alice", 10, new UUID(0, 9)),
                new Result.Outcome("why?", null, null, "stop"),
                new Result.Origin("fake", "fake-1", "call-1"),
                new Result.Tokens(3L, 2L, 1L, 0L),
                new Result.Run(1, 20.0, 3.5, "w", "2026-01-02T03:04:05.600Z"),
                null,
                new Result.Provenance(
                    null,
                    List.of(
                        new Call(
                            "fake",
                            "fake-1",
                            "2026-01-02T03:04:05.600Z",
                            0,
                            Call.Reply.answered("call-1"),
                            new TokenCounts(3, 2, 1, 0))),
                    null),
                null));
  }

  @Test
  void asksWithTheWholePayloadAndTheTimeThatIsLeft() throws Exception {
    var calls = new ArrayList<LlmCall>();
    var provider =
        new FakeProvider(call -> {
          calls.add(call);
          return FakeProvider.echo(call);
        });
    answer(
        provider,
        envelope(
            """
            {"prompt": "and now?", "system": "be brief", "model": "m",
             "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}],
             "options": {"temperature": 0.5, "max_output_tokens": 7}}\
            """),
        attempt(3, SIGNED.plusSeconds(59)));
    assertThat(calls).hasSize(1);
    var left = calls.getFirst().timeout();
    assertThat(left).isBetween(Duration.ofMillis(500), Duration.ofSeconds(1));
    assertThat(calls)
        .containsExactly(
            new LlmCall(
                9,
                "m",
                "be brief",
                List.of(Turn.user("hi"), Turn.assistant("yo"), Turn.user("and now?")),
                new LlmOptions(0.5, 7, List.of(), null, null),
                false,
                left));
  }

  @Test
  void asksAboutTheImagesOfAMessage() throws Exception {
    var calls = new ArrayList<LlmCall>();
    answer(
        new FakeProvider(call -> {
          calls.add(call);
          return FakeProvider.echo(call);
        }),
        envelope(
            """
            {"messages": [{"role": "user", "content": [
              {"type": "text", "text": "Alike?"},
              {"type": "image", "data": "QUJD", "media_type": "image/png"},
              {"type": "image", "url": "https://images.example/a"},
              {"type": "image", "url": "https://images.example/b", "media_type": "image/webp"}]}]}\
            """),
        AT_ONCE);

    assertThat(calls.getFirst().turns())
        .containsExactly(
            new Turn(
                Turn.Role.USER,
                List.of(
                    new Part.Text("Alike?"),
                    new Part.InlineImage("QUJD", "image/png"),
                    new Part.LinkedImage("https://images.example/a", null),
                    new Part.LinkedImage("https://images.example/b", "image/webp"))));
  }

  @Test
  void saysThatItDoesNotKnowAPartOfALaterVersion() throws Exception {
    var provider = new FakeProvider();
    var result =
        answer(
            provider,
            envelope(
                "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"video\"}]}]}"),
            AT_ONCE);

    assertThat(result.errorCode()).isEqualTo("invalid_request");
    assertThat(result.errorMessage())
        .isEqualTo("this worker does not know parts of type 'video'; upgrade it");
    assertThat(provider.calls()).isZero();
  }

  @Test
  void isNotBegunPastItsDeadline() throws Exception {
    var provider = new FakeProvider();
    var result =
        answer(provider, envelope("{\"prompt\": \"why?\"}"), attempt(1, SIGNED.plusSeconds(60)));
    assertThat(result.status()).isEqualTo("expired");
    assertThat(result.errorCode()).isEqualTo("deadline_passed");
    assertThat(result.errorMessage()).contains("60000 ms");
    assertThat(provider.calls()).isZero();
    assertThat(result.origin().provider()).as("nobody was asked").isNull();
    assertThat(result.origin().model()).isNull();
  }

  @Test
  void expiresWhenTheCallHadAllTheTimeThatWasLeft() throws Exception {
    var result =
        answer(
            new FakeProvider().hold("why?"),
            envelope("{\"prompt\": \"why?\"}"),
            attempt(1, SIGNED.plusMillis(58_000)));
    assertThat(result.status()).isEqualTo("expired");
    assertThat(result.origin().provider()).isEqualTo("fake");
    assertThat(result.origin().model()).isEqualTo("fake-1");
  }

  @Test
  void namesWhoWasReallyAskedHoweverItEnds() throws Exception {
    var asked = asked(envelope("{\"prompt\": \"why?\"}"));
    assertThat(DESCRIBE.cancelled(asked, AT_ONCE).origin().provider()).isNull();

    var second =
        new FakeProvider() {
          @Override
          public String name() {
            return "second";
          }
        };
    asked.calls(new ModelTarget(second, "m-2"));
    assertThat(DESCRIBE.cancelled(asked, AT_ONCE).origin().provider()).isEqualTo("second");
    assertThat(DESCRIBE.cancelled(asked, AT_ONCE).origin().model()).isEqualTo("m-2");
    assertThat(DESCRIBE.fault(asked, AT_ONCE).origin().provider()).isEqualTo("second");

    var refused = new LlmAttempt.Refusal(LlmAttempt.Reason.OVER_BUDGET, "spent");
    assertThat(DESCRIBE.refused(asked.request().envelope(), AT_ONCE, refused).origin().provider())
        .isNull();
  }

  @Test
  void aRowThatHasNothingToAskAboutSucceedsWithoutACall() throws Exception {
    var provider = new FakeProvider();
    var result =
        answer(
            provider,
            envelope(maintained("'end': {'code': 'blank'}, ", "'provider': 'nobody'")),
            attempt(1, SIGNED.plusSeconds(90)));

    assertThat(result.status()).as("whatever its time and provider").isEqualTo("succeeded");
    assertThat(result.answer()).isNull();
    assertThat(result.outcome().finishReason()).isNull();
    assertThat(result.calls()).isNull();
    assertThat(result.origin()).isEqualTo(Result.Origin.NONE);
    assertThat(result.maintained()).isEqualTo(ROW);
    assertThat(provider.calls()).isZero();
  }

  @Test
  void aRequestFailsWithoutACallAsItSays() throws Exception {
    var provider = new FakeProvider();
    var result =
        answer(
            provider,
            envelope(
                maintained("'end': {'code': 'request_too_large', 'message': 'shorten it'}, ", "")),
            AT_ONCE);

    assertThat(result.status()).isEqualTo("failed");
    assertThat(result.outcome()).isEqualTo(Result.Outcome.error("request_too_large", "shorten it"));
    assertThat(result.maintained()).isEqualTo(ROW);
    assertThat(provider.calls()).isZero();
  }

  @Test
  void whatIsOvertakenBeforeItIsSentEndsAsCancelled() throws Exception {
    var result =
        answer(
            new FakeProvider(),
            envelope(maintained("'end': {'code': 'superseded', 'message': 'dropped'}, ", "")),
            AT_ONCE);

    assertThat(result.status()).isEqualTo("cancelled");
    assertThat(result.outcome()).isEqualTo(Result.Outcome.error("superseded", "dropped"));
  }

  @Test
  void aResultSaysItsRowHoweverItEnds() throws Exception {
    var envelope = envelope(maintained("", "'prompt': 'why?'"));
    var claim = attempt(1, SIGNED.plusSeconds(90));
    var asked = asked(envelope);
    var gone = new ConsumedRequest.Refusal(DeadLetterReason.TOO_OLD, "it is");
    var budget = new LlmAttempt.Refusal(LlmAttempt.Reason.OVER_BUDGET, "spent");
    var cancelled = new LlmAttempt.Refusal(LlmAttempt.Reason.CANCELLED, "bob");

    assertThat(
            List.of(
                answer(new FakeProvider(), envelope, AT_ONCE),
                answer(
                    new FakeProvider(call -> FakeProvider.failure(LlmErrorCode.MODEL_NOT_FOUND)),
                    envelope,
                    AT_ONCE),
                answer(new FakeProvider(), envelope, claim),
                DESCRIBE.cancelled(asked, AT_ONCE),
                DESCRIBE.fault(asked, AT_ONCE),
                DESCRIBE.refused(envelope, AT_ONCE, budget),
                DESCRIBE.refused(envelope, AT_ONCE, cancelled),
                DESCRIBE.notExecuted(envelope, AT_ONCE, gone),
                DESCRIBE.unclaimable(envelope, AT_ONCE, "22003")))
        .allSatisfy(result -> assertThat(result.maintained()).isEqualTo(ROW))
        .extracting(Result::status)
        .containsExactly(
            "succeeded",
            "failed",
            "expired",
            "cancelled",
            "failed",
            "failed",
            "cancelled",
            "failed",
            "failed");
    assertThat(answer(new FakeProvider(), envelope("{\"prompt\": \"why?\"}"), AT_ONCE).maintained())
        .as("of no maintained column")
        .isNull();
  }

  @Test
  void whatANewerRequestHasOvertakenEndsAsCancelled() {
    var refusal = new LlmAttempt.Refusal(LlmAttempt.Reason.SUPERSEDED, "");
    var result = DESCRIBE.refused(envelope(maintained("", "'prompt': 'why?'")), AT_ONCE, refusal);

    assertThat(result.status()).isEqualTo("cancelled");
    assertThat(result.errorCode()).isEqualTo("superseded");
    assertThat(result.errorMessage()).contains("a newer request of the same row");
    assertThat(result.maintained()).isEqualTo(ROW);
  }

  @Test
  void whatMakesNoCallIsNeverOverItsBudget() {
    var budget = new LlmAttempt.Refusal(LlmAttempt.Reason.OVER_BUDGET, "spent");
    var blank = envelope(maintained("'end': {'code': 'blank'}, ", ""));

    assertThat(DESCRIBE.refused(blank, AT_ONCE, budget).status()).isEqualTo("succeeded");
  }

  @Test
  void embedsEveryChunkOfAText() throws Exception {
    var result = answer(new FakeProvider(), embed("One. Two.\n\nThree.", 5, 0), AT_ONCE);

    assertThat(result.status()).isEqualTo("succeeded");
    assertThat(result.vectors())
        .usingRecursiveComparison()
        .isEqualTo(
            new Result.Vectors(
                List.of(new float[] {9, 0.5f}, new float[] {6, 0.5f}),
                List.of("One. Two.", "Three.")));
    assertThat(result.maintained()).isEqualTo(ROW);
  }

  @Test
  void aTextOfOneChunkIsOne() throws Exception {
    var result = answer(new FakeProvider(), embed(" One. Two. ", 400, 40), AT_ONCE);

    assertThat(result.vectors())
        .usingRecursiveComparison()
        .isEqualTo(new Result.Vectors(List.of(new float[] {9, 0.5f}), List.of("One. Two.")));
  }

  @Test
  void moreChunksThanACallTakesGoInSeveral() throws Exception {
    var provider =
        new FakeProvider() {
          @Override
          public EmbedLimits embedLimits() {
            return new EmbedLimits(7, 1_000_000);
          }
        };
    var result = answer(provider, embed("Some word. ".repeat(50), 4, 0), AT_ONCE);

    assertThat(Objects.requireNonNull(result.vectors()).chunks())
        .hasSize(50)
        .containsOnly("Some word.");
    assertThat(result.calls()).hasSize(8);
  }

  @Test
  void saysWhatTheVendorSaysOfChunksThatAreTooLongForItsModel() throws Exception {
    var provider =
        new FakeProvider() {
          @Override
          public LlmOutcome embed(EmbedCall call) {
            return failure(LlmErrorCode.CONTEXT_LENGTH_EXCEEDED);
          }
        };
    var result = answer(provider, embed("word ".repeat(20_000), 10_000, 0), AT_ONCE);

    assertThat(result.status()).isEqualTo("failed");
    assertThat(result.errorCode()).isEqualTo("context_length_exceeded");
    assertThat(result.vectors()).isNull();
  }

  @ParameterizedTest
  @CsvSource({
    "'{\"tokens\": 40, \"overlap\": 40}', '[\"x\"]', overlap of chunks",
    "'{\"tokens\": 0}', '[\"x\"]', 1 token or more",
    "'{\"tokens\": 40}', '[\"x\", \"y\"]', one text is split",
    "'{\"tokens\": 40}', '[\"\u00a0\"]', must not be empty"
  })
  void refusesATextThatCannotBeSplit(String chunk, String inputs, String words) throws Exception {
    var payload =
        """
        {"inputs": %s, "maintained": {"name": "ticket_mood", "key": ["1", "a"], "chunk": %s}}\
        """
            .formatted(inputs, chunk);
    var result =
        answer(
            new FakeProvider(),
            Envelope.read(bytes(TestRequests.envelope(9, "embed", payload, 60_000))),
            AT_ONCE);

    assertThat(result.errorCode()).isEqualTo("invalid_request");
    assertThat(result.errorMessage()).contains(words);
    assertThat(result.maintained()).isEqualTo(ROW);
  }

  @Test
  void theSameTextInOtherChunksAsksForOthers() throws Exception {
    var target = new ModelTarget(new FakeProvider(), "m");
    var one = Question.of(embed("x", 400, 40), RequestKind.EMBED).cacheKey(target);

    assertThat(Question.of(embed("x", 400, 40), RequestKind.EMBED).cacheKey(target)).isEqualTo(one);
    assertThat(Question.of(embed("x", 400, 0), RequestKind.EMBED).cacheKey(target))
        .isNotEqualTo(one);
    assertThat(Question.of(embed("x", 300, 40), RequestKind.EMBED).cacheKey(target))
        .isNotEqualTo(one);
  }

  @Test
  void anEarlierAnswerIsTakenWithItsChunks() {
    var earlier = Objects.requireNonNull(RequestOutcome.taken(CHUNKS).vectors());

    assertThat(earlier.chunks()).containsExactly("Ray", "leigh");
  }

  private static final Result CHUNKS =
      new Result(
          new ResultHead(1, 8, "embed", "succeeded", "alice", 10, new UUID(0, 8)),
          Result.Outcome.answered(null, null),
          Result.Origin.NONE,
          Result.Tokens.UNKNOWN,
          Result.Run.of(1, "2026-01-02T03:04:05Z"),
          new Result.Vectors(List.of(new float[] {1}, new float[] {2}), List.of("Ray", "leigh")),
          Result.Provenance.NONE,
          null);

  private static Envelope embed(String text, int tokens, int overlap) {
    var payload =
        """
        {"inputs": ["%s"], "maintained": {"name": "ticket_mood", "key": ["1", "a"],
          "chunk": {"tokens": %d, "overlap": %d}}}\
        """
            .formatted(text.replace("\n", "\\n"), tokens, overlap);
    return Envelope.read(bytes(TestRequests.envelope(9, "embed", payload, 60_000)));
  }

  private static final MaintainedRow ROW = new MaintainedRow("ticket_mood", List.of("1", "a"));

  /// @param mark more of the mark, with a comma behind it
  /// @param rest of the payload
  private static String maintained(String mark, String rest) {
    return ("{'maintained': {"
            + mark
            + "'name': 'ticket_mood', 'key': ['1', 'a'], 'hash': 'ff'}"
            + (rest.isEmpty() ? "" : ", " + rest)
            + "}")
        .replace('\'', '"');
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{'temperature': 0}          | {'temperature': 0.0}       | true",
        "{'temperature': 1}          | {'temperature': 1e0}       | true",
        "{'temperature': 1.50}       | {'temperature': 15e-1}     | true",
        "{'max_output_tokens': 10}   | {'max_output_tokens': 1e1} | true",
        "{'stop': 'END'}             | {'stop': ['END']}          | true",
        "{'stream': true}            | {}                         | true",
        "{'temperature': 0}          | {}                         | false",
        "{'temperature': 0}          | {'temperature': 0.1}       | false",
        "{'max_output_tokens': 1}    | {'max_output_tokens': 10}  | false",
        "{'stop': ['1']}             | {'stop': ['1.0']}          | false"
      })
  void equalNumbersAskTheSame(String one, String other, boolean same) throws Exception {
    assertThat(Arrays.equals(cacheKey(one), cacheKey(other))).isEqualTo(same);
  }

  @Test
  void anotherImageAsksForAnother() throws Exception {
    var one = cacheKeyOf(image("QUJD", "image/png"));

    assertThat(cacheKeyOf(image("QUJD", "image/png"))).isEqualTo(one);
    assertThat(cacheKeyOf(image("QUJE", "image/png"))).isNotEqualTo(one);
    assertThat(cacheKeyOf(image("QUJD", "image/webp"))).isNotEqualTo(one);
    assertThat(cacheKeyOf("{\"prompt\": \"why?\"}")).isNotEqualTo(one);
  }

  private static String image(String data, String mediaType) {
    return """
    {"prompt": "why?", "messages": [{"role": "user", "content":
      [{"type": "image", "data": "%s", "media_type": "%s"}]}]}\
    """
        .formatted(data, mediaType);
  }

  private static byte[] cacheKey(String options) throws InterruptedException {
    return cacheKeyOf("{\"prompt\": \"why?\", \"options\": " + options.replace('\'', '"') + "}");
  }

  private static byte[] cacheKeyOf(String payload) throws InterruptedException {
    return Question.of(envelope(payload), RequestKind.ASK)
        .cacheKey(new ModelTarget(new FakeProvider(), "m"));
  }

  @Test
  void ranksByTheRerankerAlone() throws Exception {
    var payload =
        "{\"prompt\": \"q\", \"inputs\": [\"a\", \"ccc\", \"bb\"], \"options\": {\"top_n\": 2}}";
    var providers = new LlmProviders(new FakeProvider(), List.of(), List.of(), new FakeProvider());
    var result = answer(providers, envelope("rerank", payload), AT_ONCE);
    assertThat(result.answer())
        .isEqualTo("[{\"ord\": 2, \"score\": 3.0}, {\"ord\": 3, \"score\": 2.0}]");
    assertThat(result.origin()).isEqualTo(new Result.Origin("fake", "fake-1", "call-1"));
    assertThat(result.tokens()).isEqualTo(new Result.Tokens(3L, 0L, 0L, 0L));
    assertThat(result.calls()).hasSize(1);
    var named = payload.replace("{\"prompt", "{\"model\": \"m\", \"provider\": \"fake\", \"prompt");
    assertThat(answer(providers, envelope("rerank", named), AT_ONCE).origin().model())
        .isEqualTo("m");

    var without = LlmProviders.of(new FakeProvider());
    assertThat(answer(without, envelope("rerank", payload), AT_ONCE).outcome())
        .isEqualTo(
            Result.Outcome.error(
                "provider_not_configured",
                "no reranker is configured at the workers: set PGOFFLOAD_RERANK_URL"));
    var nobody = payload.replace("{\"prompt", "{\"provider\": \"nobody\", \"prompt");
    assertThat(answer(providers, envelope("rerank", nobody), AT_ONCE).errorCode())
        .isEqualTo("provider_not_configured");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{}",
        "{\"prompt\": \"q\"}",
        "{\"prompt\": \"q\", \"inputs\": []}",
        "{\"prompt\": \" \", \"inputs\": [\"a\"]}",
        "{\"prompt\": \"q\", \"inputs\": [\"a\", \"\"]}",
        "{\"prompt\": \"q\", \"inputs\": [\"a\"], \"options\": {\"top_n\": 0}}"
      })
  void ranksNothingElse(String payload) throws Exception {
    var providers = new LlmProviders(new FakeProvider(), List.of(), List.of(), new FakeProvider());
    assertThat(answer(providers, envelope("rerank", payload), AT_ONCE).errorCode())
        .isEqualTo("invalid_request");
  }

  @Test
  void otherDocumentsAreAnotherQuestion() throws Exception {
    var keys =
        List.of(
            "{\"prompt\": \"q\", \"inputs\": [\"a\", \"b\"]}",
            "{\"prompt\": \"q\", \"inputs\": [\"b\", \"a\"]}",
            "{\"prompt\": \"p\", \"inputs\": [\"a\", \"b\"]}",
            "{\"prompt\": \"q\", \"inputs\": [\"a\", \"b\"], \"options\": {\"top_n\": 1}}");
    var seen = new HashSet<String>();
    for (var payload : keys) {
      var key =
          Question.of(envelope("rerank", payload), RequestKind.RERANK)
              .cacheKey(new ModelTarget(new FakeProvider(), "m"));
      assertThat(seen.add(Arrays.toString(key))).as(payload).isTrue();
    }
  }

  @Test
  void failsWithTheProvidersCodeAndWords() throws Exception {
    var result =
        answer(
            new FakeProvider(call -> FakeProvider.failure(LlmErrorCode.MODEL_NOT_FOUND)),
            envelope("{\"prompt\": \"why?\"}"),
            AT_ONCE);
    assertThat(result.status()).isEqualTo("failed");
    assertThat(result.errorCode()).isEqualTo("model_not_found");
    assertThat(result.errorMessage()).isEqualTo("the words of the vendor");
    assertThat(result.origin().model()).isEqualTo("fake-1");
    assertThat(result.origin().providerRequestId()).isEqualTo("call-1");
  }

  @Test
  void saysWhyTheModelStoppedWithoutAWord() throws Exception {
    var error =
        new LlmError(
            LlmErrorCode.EMPTY_ANSWER, "words", 200, null, null, new FinishReason("tool_calls"));
    var result =
        answer(
            new FakeProvider(call -> new LlmOutcome.Failed(error, "fake-1", Usage.NONE, List.of())),
            envelope("{\"prompt\": \"why?\"}"),
            AT_ONCE);
    assertThat(result.errorCode()).isEqualTo("empty_answer");
    assertThat(result.outcome().finishReason()).isEqualTo("tool_calls");
  }

  @Test
  void failsForAKindThatItDoesNotKnow() throws Exception {
    var provider = new FakeProvider();
    for (var kind : List.of("sql", "of-tomorrow")) {
      var result =
          answer(
              provider,
              Envelope.read(bytes(TestRequests.envelope(9, kind, "{}", 60_000))),
              AT_ONCE);
      assertThat(result.errorCode()).isEqualTo("unsupported_kind");
      assertThat(result.errorMessage()).contains(kind);
    }
    assertThat(provider.calls()).isZero();
  }

  @Test
  void failsForAPayloadThatIsNoCall() throws Exception {
    var result = answer(new FakeProvider(), envelope("{}"), AT_ONCE);
    assertThat(result.errorCode()).isEqualTo("invalid_request");
  }

  @Test
  void replacesInAnAnswerWhatPostgresHasNot() throws Exception {
    var result =
        answer(
            new FakeProvider(call -> FakeProvider.answer("a\u0000b\uD83Dc")),
            envelope("{\"prompt\": \"why?\"}"),
            AT_ONCE);
    assertThat(result.answer()).isEqualTo("a\uFFFDb\uFFFDc");
  }

  @Test
  void hasNoResultWhenTheWorkerCloses() {
    var provider = new FakeProvider().hold("why?");
    Thread.currentThread().interrupt();
    assertThatThrownBy(() -> answer(provider, envelope("{\"prompt\": \"why?\"}"), AT_ONCE))
        .isInstanceOf(InterruptedException.class);
  }

  @Test
  void aFaultOfTheWorkerFailsWithoutItsWords() {
    var asked = asked(envelope("{\"prompt\": \"why?\"}"));
    var result = DESCRIBE.fault(asked, AT_ONCE);
    assertThat(result.errorCode()).isEqualTo("internal_error");
    assertThat(result.attempts()).isEqualTo(1);
  }

  private static Result answer(FakeProvider provider, Envelope envelope, LlmAttempt claim)
      throws InterruptedException {
    return answer(LlmProviders.of(provider), envelope, claim);
  }

  private static Result answer(LlmProviders providers, Envelope envelope, LlmAttempt claim)
      throws InterruptedException {
    var request = asked(envelope);
    return DESCRIBE.executed(request, claim, answerer(providers).answer(request, claim), 3.5);
  }

  private static LlmAttempt attempt(int number, Instant claimedAt) {
    return new LlmAttempt(number, claimedAt, 0, null);
  }

  private static AnswerRequest answerer(LlmProviders providers) {
    return new AnswerRequest(
        providers,
        MAKE,
        EMBED,
        (id, key, maxAge) -> new AnswerCache.Advice.Lead(),
        (request, claim) ->
            new StreamPieces(
                piece -> CompletableFuture.completedFuture(null), TIMER, request, claim.attempt()),
        CLOCK);
  }

  private static InFlightRequest asked(Envelope envelope) {
    var record = new ConsumerRecord<byte[], byte[]>("t", 0, 0, null, new byte[0]);
    return new InFlightRequest(
        new ConsumedRequest(envelope, record, () -> {}),
        new PendingRequests(),
        InFlightRequest.Deferral.POSSIBLE,
        List.of(),
        CLOCK,
        patience -> true);
  }

  private static Envelope envelope(String payload) {
    return envelope("ask", payload);
  }

  private static Envelope envelope(String kind, String payload) {
    return Envelope.read(bytes(TestRequests.envelope(9, kind, payload, 60_000)));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
