package org.pgoffload.worker.vendors;

import static java.util.stream.Collectors.joining;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.EmbedLimits;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.LlmProvider;
import org.pgoffload.worker.models.Origin;
import org.pgoffload.worker.models.Part;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.ReadEnvironment;

/// Answers without any model, and says so in its name, its model and every answer: for trying
/// pgoffload out and for measuring what is not the model. Deterministic; counts no tokens.
///
/// The options that steer a model have no effect, there being none. With a response schema the
/// answer is the question as it is, which meets the schema if the question does.
///
/// @param delay how long each answer takes, a streamed one from its first word to its last
record EchoProvider(Duration delay) implements LlmProvider {

  static final String NAME = "echo";
  static final String MODEL = "echo-no-model";

  private static final Pattern AFTER_BLANKS = Pattern.compile("(?<= )");

  /// Of vectors for which no dimensions are asked for.
  static final int DEFAULT_DIMENSIONS = 64;

  EchoProvider {
    if (delay.isNegative()) {
      throw new IllegalArgumentException("the delay must not be negative");
    }
  }

  /// Reads the settings; problems are left in the environment.
  static EchoProvider from(ReadEnvironment environment) {
    return new EchoProvider(environment.duration("LLM_ECHO_DELAY", Duration.ZERO));
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public String defaultModel() {
    return MODEL;
  }

  @Override
  public String defaultEmbeddingModel() {
    return MODEL;
  }

  @Override
  public EmbedLimits embedLimits() {
    return new EmbedLimits(2048, Integer.MAX_VALUE);
  }

  @Override
  public LlmOutcome ask(LlmCall call, PieceListener pieces) throws InterruptedException {
    var last = call.turns().getLast();
    var answer =
        call.options().responseSchema() == null
            ? "[echo, no model] "
                + last.parts().stream().map(EchoProvider::echo).collect(joining("\n"))
            : last.text();
    var late = call.stream() ? write(answer, call, pieces) : wait(delay, call.timeout());
    return late == null
        ? new LlmOutcome.Answered(answer, FinishReason.STOP, origin(), Usage.NONE, List.of())
        : late;
  }

  /// An image is named, not shown.
  private static String echo(Part part) {
    return switch (part) {
      case Part.Text(var text) -> text;
      case Part.LinkedImage(var url, _) -> "[image at " + url + "]";
      case Part.InlineImage(var data, var mediaType) ->
          "[" + mediaType + ", " + data.length() + " characters of base64]";
    };
  }

  /// Hands out a word at a time.
  private @Nullable LlmOutcome write(String answer, LlmCall call, PieceListener pieces)
      throws InterruptedException {
    var words = AFTER_BLANKS.splitAsStream(answer).toList();
    var begun = System.nanoTime();
    for (var i = 0; i < words.size(); i++) {
      // Each at its time on the whole way, so that small delays do not add up to a longer one.
      var due = delay.multipliedBy(i + 1).dividedBy(words.size());
      var passed = Duration.ofNanos(System.nanoTime() - begun);
      var late = wait(due.minus(passed), call.timeout().minus(passed));
      if (late != null) {
        return late;
      }
      pieces.piece(words.get(i));
    }
    return null;
  }

  @Override
  public LlmOutcome embed(EmbedCall call) throws InterruptedException {
    var late = wait(delay, call.timeout());
    var dimensions = Objects.requireNonNullElse(call.dimensions(), DEFAULT_DIMENSIONS);
    return late == null
        ? new LlmOutcome.Embedded(
            call.inputs().stream().map(text -> vector(text, dimensions)).toList(),
            origin(),
            Usage.NONE,
            List.of())
        : late;
  }

  /// Counts runs of three characters, so that texts alike have vectors alike; of length 1.
  private static float[] vector(String text, int dimensions) {
    var vector = new float[dimensions];
    var padded = " " + text + " ";
    for (var at = 0; at + 3 <= padded.length(); at++) {
      vector[Math.floorMod(padded.substring(at, at + 3).hashCode(), dimensions)]++;
    }
    var squares = 0.0;
    for (var number : vector) {
      squares += number * number;
    }
    for (var i = 0; i < dimensions; i++) {
      vector[i] /= (float) Math.sqrt(squares);
    }
    return vector;
  }

  /// Waits so long; null, or the failure of a call that has less time.
  private static @Nullable LlmOutcome wait(Duration delay, Duration timeout)
      throws InterruptedException {
    var late = delay.compareTo(timeout) > 0;
    var time = late ? timeout : delay;
    if (time.isPositive()) {
      Thread.sleep(time);
    }
    return late
        ? new LlmOutcome.Failed(
            new LlmError(
                LlmErrorCode.TIMEOUT, "echo: no whole reply in its time", null, null, null),
            MODEL,
            Usage.NONE,
            List.of())
        : null;
  }

  private static Origin origin() {
    return new Origin(NAME, MODEL, null);
  }
}
