package org.pgoffload.worker.models;

import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;

/// Answers with what was asked, counts its calls, and holds back those that it is told to.
public class FakeProvider implements LlmProvider {
  private final Map<Long, Integer> calls = new ConcurrentHashMap<>();
  private final Map<String, CountDownLatch> held = new ConcurrentHashMap<>();
  private final AtomicInteger running = new AtomicInteger();
  private final AtomicInteger mostRunning = new AtomicInteger();
  private final Function<LlmCall, LlmOutcome> behaviour;
  private final Duration delay;
  private volatile boolean holdingAll;
  private final CountDownLatch all = new CountDownLatch(1);
  private final AtomicInteger closes = new AtomicInteger();

  public FakeProvider() {
    this(FakeProvider::echo);
  }

  public FakeProvider(Function<LlmCall, LlmOutcome> behaviour) {
    this(behaviour, Duration.ZERO);
  }

  public FakeProvider(Function<LlmCall, LlmOutcome> behaviour, Duration delay) {
    this.behaviour = behaviour;
    this.delay = delay;
  }

  public static LlmOutcome echo(LlmCall call) {
    return answer(call.turns().getLast().text());
  }

  public static LlmOutcome answer(String text) {
    return new LlmOutcome.Answered(
        text,
        FinishReason.STOP,
        new Origin("fake", "fake-1", "call-1"),
        new Usage(3, 2, 1, 0),
        List.of());
  }

  public static LlmOutcome failure(LlmErrorCode code) {
    return new LlmOutcome.Failed(
        new LlmError(code, "the words of the vendor", 500, null, "call-1"),
        "fake-1",
        Usage.NONE,
        List.of());
  }

  /// Calls that ask this wait until they are released.
  public FakeProvider hold(String prompt) {
    held.put(prompt, new CountDownLatch(1));
    return this;
  }

  public FakeProvider holdAll() {
    holdingAll = true;
    return this;
  }

  public void release(String prompt) {
    var latch = held.get(prompt);
    if (latch != null) {
      latch.countDown();
    }
  }

  public void releaseAll() {
    holdingAll = false;
    all.countDown();
  }

  public int calls() {
    return calls.values().stream().mapToInt(Integer::intValue).sum();
  }

  public int calls(long id) {
    return calls.getOrDefault(id, 0);
  }

  public int running() {
    return running.get();
  }

  public int mostRunning() {
    return mostRunning.get();
  }

  public boolean isClosed() {
    return closes() > 0;
  }

  /// How often it was closed.
  public int closes() {
    return closes.get();
  }

  @Override
  public String name() {
    return "fake";
  }

  @Override
  public String defaultModel() {
    return "fake-1";
  }

  @Override
  public LlmOutcome ask(LlmCall call, PieceListener pieces) throws InterruptedException {
    calls.merge(call.id(), 1, Integer::sum);
    mostRunning.accumulateAndGet(running.incrementAndGet(), Math::max);
    try {
      if (delay.isPositive()) {
        Thread.sleep(delay);
      }
      var latch = holdingAll ? all : held.get(call.turns().getLast().text());
      if (latch != null && !latch.await(call.timeout().toMillis(), TimeUnit.MILLISECONDS)) {
        return failure(LlmErrorCode.TIMEOUT);
      }
      var outcome = behaviour.apply(call);
      if (call.stream() && outcome instanceof LlmOutcome.Answered answered) {
        for (var word : answered.text().split("(?<= )", -1)) {
          pieces.piece(word);
        }
      }
      return outcome;
    } finally {
      running.decrementAndGet();
    }
  }

  @Override
  public LlmOutcome embed(EmbedCall call) {
    return new LlmOutcome.Embedded(
        call.inputs().stream().map(input -> new float[] {input.length(), 0.5f}).toList(),
        new Origin("fake", "fake-embed", null),
        new Usage(call.inputs().size(), 0, 0, 0),
        List.of());
  }

  @Override
  public int mostDocuments() {
    return 7;
  }

  /// The longest document helps most.
  @Override
  public LlmOutcome rerank(RerankCall call) {
    return new LlmOutcome.Reranked(
        IntStream.range(0, call.documents().size())
            .mapToObj(at -> new RankedDocument(at, call.documents().get(at).length()))
            .sorted(Comparator.comparingDouble(rank -> -rank.score()))
            .limit(call.most())
            .toList(),
        new Origin("fake", String.valueOf(call.model()), "call-1"),
        new Usage(call.documents().size(), 0, 0, 0),
        List.of());
  }

  @Override
  public void close() {
    closes.incrementAndGet();
  }
}
