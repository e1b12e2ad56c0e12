package org.pgoffload.worker.vendors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOptions;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Origin;
import org.pgoffload.worker.models.Part;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.RerankCall;
import org.pgoffload.worker.models.Turn;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.Json;

class EchoProviderTest {

  @Test
  void answersAndSaysThatItIsNoModel() throws InterruptedException {
    assertThat(new EchoProvider(Duration.ZERO).ask(call(Duration.ofSeconds(1)), PieceListener.NONE))
        .isEqualTo(
            new LlmOutcome.Answered(
                "[echo, no model] Why is the sky blue?",
                FinishReason.STOP,
                new Origin("echo", "echo-no-model", null),
                Usage.NONE,
                List.of()));
  }

  @Test
  void failsWhenItsDelayIsLongerThanTheCallMayTake() throws InterruptedException {
    assertThat(
            new EchoProvider(Duration.ofHours(1))
                .ask(call(Duration.ofMillis(5)), PieceListener.NONE))
        .isEqualTo(
            new LlmOutcome.Failed(
                new LlmError(
                    LlmErrorCode.TIMEOUT, "echo: no whole reply in its time", null, null, null),
                "echo-no-model",
                Usage.NONE,
                List.of()));
  }

  @Test
  void ranksNothing() throws InterruptedException {
    var outcome =
        new EchoProvider(Duration.ZERO)
            .rerank(new RerankCall(null, "q", List.of("d"), 1, Duration.ofSeconds(1)));

    assertThat(outcome)
        .isInstanceOfSatisfying(
            LlmOutcome.Failed.class,
            failed ->
                assertThat(failed.error().code()).isEqualTo(LlmErrorCode.RERANK_NOT_SUPPORTED));
  }

  @Test
  void streamsWordByWordOverItsDelay() throws InterruptedException {
    var pieces = new ArrayList<String>();
    var call = streamed(Duration.ofSeconds(5));
    var begun = System.nanoTime();

    var outcome = new EchoProvider(Duration.ofMillis(60)).ask(call, pieces::add);

    assertThat(pieces).containsExactly("[echo, ", "no ", "model] ", "Why ", "is ", "it?");
    assertThat(outcome)
        .isInstanceOfSatisfying(
            LlmOutcome.Answered.class,
            answered -> assertThat(answered.text()).isEqualTo(String.join("", pieces)));
    assertThat(Duration.ofNanos(System.nanoTime() - begun)).isGreaterThan(Duration.ofMillis(59));
  }

  @Test
  void endsAStreamAtItsTimeout() throws InterruptedException {
    var pieces = new ArrayList<String>();

    var outcome =
        new EchoProvider(Duration.ofMinutes(10)).ask(streamed(Duration.ofMillis(5)), pieces::add);

    assertThat(outcome).isInstanceOf(LlmOutcome.Failed.class);
    assertThat(pieces).isEmpty();
  }

  @Test
  void givesTheQuestionBackAsItIsWhereASchemaWantsJson() throws InterruptedException {
    var schema = Json.object().put("type", "object");
    var options = new LlmOptions(null, null, List.of(), null, schema);
    var call =
        new LlmCall(
            1, null, null, List.of(Turn.user("{\"a\": 1}")), options, false, Duration.ofSeconds(1));

    assertThat(new EchoProvider(Duration.ZERO).ask(call, PieceListener.NONE))
        .isInstanceOfSatisfying(
            LlmOutcome.Answered.class,
            answered -> assertThat(answered.text()).isEqualTo("{\"a\": 1}"));
  }

  @Test
  void namesTheImagesOfTheQuestion() throws InterruptedException {
    var turn =
        new Turn(
            Turn.Role.USER,
            List.of(
                new Part.Text("Alike?"),
                new Part.InlineImage("QUJD", "image/png"),
                new Part.LinkedImage("https://images.example/a", null)));
    var call =
        new LlmCall(
            1, null, null, List.of(turn), LlmOptions.DEFAULTS, false, Duration.ofSeconds(1));

    assertThat(new EchoProvider(Duration.ZERO).ask(call, PieceListener.NONE))
        .isInstanceOfSatisfying(
            LlmOutcome.Answered.class,
            answered ->
                assertThat(answered.text())
                    .isEqualTo(
                        """
                        [echo, no model] Alike?
                        [image/png, 4 characters of base64]
                        [image at https://images.example/a]\
                        """));
  }

  @Test
  void embedsTextsAlikeAsVectorsAlike() throws InterruptedException {
    var texts = List.of("The sky is blue.", "The sky is blue!", "Ein Hund bellt.");
    var echo = new EchoProvider(Duration.ZERO);

    var vectors = vectors(echo, texts, null);

    assertThat(vectors).hasSize(3).allMatch(vector -> vector.length == 64);
    assertThat(product(vectors.get(0), vectors.get(0))).isCloseTo(1, within(1e-5));
    assertThat(product(vectors.get(0), vectors.get(1)))
        .isGreaterThan(product(vectors.get(0), vectors.get(2)) + 0.3);
    assertThat(vectors(echo, texts, null).get(2)).isEqualTo(vectors.get(2));
    assertThat(vectors(echo, List.of("a"), 3).getFirst()).hasSize(3);
  }

  private static List<float[]> vectors(
      EchoProvider echo, List<String> texts, @Nullable Integer dimensions)
      throws InterruptedException {
    return switch (echo.embed(new EmbedCall(null, texts, dimensions, Duration.ofSeconds(1)))) {
      case LlmOutcome.Embedded embedded -> embedded.vectors();
      case LlmOutcome other -> throw new AssertionError(other);
    };
  }

  private static double product(float[] one, float[] other) {
    return IntStream.range(0, one.length).mapToDouble(i -> one[i] * other[i]).sum();
  }

  private static LlmCall streamed(Duration timeout) {
    return new LlmCall(
        1, null, null, List.of(Turn.user("Why is it?")), LlmOptions.DEFAULTS, true, timeout);
  }

  private static LlmCall call(Duration timeout) {
    var turns =
        List.of(Turn.user("Hello."), Turn.assistant("Hi."), Turn.user("Why is the sky blue?"));
    return new LlmCall(1, null, "Be brief.", turns, LlmOptions.DEFAULTS, false, timeout);
  }
}
