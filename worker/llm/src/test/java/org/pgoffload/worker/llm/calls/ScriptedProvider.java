package org.pgoffload.worker.llm.calls;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
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
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.Usage;

/// Fails as it is told to, then answers. A text to be embedded that contains "bad" spoils its call.
final class ScriptedProvider implements LlmProvider {
  private final String name;
  private final Queue<LlmOutcome> script = new ArrayDeque<>();
  final List<Duration> timeouts = new ArrayList<>();
  final List<List<String>> embedded = new ArrayList<>();
  int calls;

  ScriptedProvider(String name) {
    this.name = name;
  }

  synchronized ScriptedProvider fails(LlmErrorCode code, @Nullable Duration retryAfter, int times) {
    for (int i = 0; i < times; i++) {
      script.add(
          new LlmOutcome.Failed(
              new LlmError(code, "words of " + name, 500, retryAfter, null),
              "m",
              new Usage(1, 0, 0, 0),
              List.of()));
    }
    return this;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public String defaultModel() {
    return "m";
  }

  @Override
  public EmbedLimits embedLimits() {
    return new EmbedLimits(4, 1000);
  }

  @Override
  public synchronized LlmOutcome ask(LlmCall call, PieceListener pieces) {
    calls++;
    timeouts.add(call.timeout());
    var next = script.poll();
    return next != null
        ? next
        : new LlmOutcome.Answered(
            "answer of " + name,
            FinishReason.STOP,
            new Origin(name, "m", null),
            new Usage(10, 0, 2, 0),
            List.of());
  }

  @Override
  public synchronized LlmOutcome embed(EmbedCall call) {
    embedded.add(call.inputs());
    var next = script.poll();
    if (next != null) {
      return next;
    }
    if (call.inputs().stream().anyMatch(input -> input.contains("bad"))) {
      return new LlmOutcome.Failed(
          new LlmError(LlmErrorCode.INVALID_REQUEST, "a bad input", 400, null, null),
          "m",
          Usage.NONE,
          List.of());
    }
    return new LlmOutcome.Embedded(
        call.inputs().stream().map(input -> new float[] {Float.parseFloat(input)}).toList(),
        new Origin(name, "m", null),
        new Usage(call.inputs().size() * 7L, 0, 0, 0),
        List.of());
  }
}
