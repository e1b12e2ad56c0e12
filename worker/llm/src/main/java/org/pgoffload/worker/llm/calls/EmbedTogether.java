package org.pgoffload.worker.llm.calls;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.TokenCounts;
import org.pgoffload.worker.delivery.lease.ClaimLostException;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.ModelTarget;
import org.pgoffload.worker.models.Usage;

/// Embeds the texts of several requests in one call: what is wanted of one model within a few
/// milliseconds goes together, as far as the provider's limits allow, and what is more than they
/// allow goes in several calls. A text that spoils its call is found out: the others are embedded
/// without it.
///
/// Longer than 300 lines because a batch and the texts in it share their state.
///
/// Safe to share between threads.
public final class EmbedTogether implements AutoCloseable {
  /// The calls of a request end at its deadline too, and then say what they have counted. Those
  /// that others share with more time are not waited for any longer.
  private static final Duration FOR_LAST_WORDS = Duration.ofMillis(500);

  private final MakeCalls make;
  private final Duration linger;
  private final Map<Place, Gathering> gathering = new HashMap<>(); // guarded by this
  private final ExecutorService calls =
      Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("pgoffload-embed-", 0).factory());

  public EmbedTogether(MakeCalls make, CallSettings settings) {
    this.make = make;
    this.linger = settings.embedLinger();
  }

  /// What goes together.
  private record Place(String target, @Nullable Integer dimensions) {}

  /// Some texts of one request, which are embedded in one call.
  private record Part(
      List<String> inputs,
      int tokens,
      Deadline deadline,
      CallProgress progress,
      CompletableFuture<CallsMade> embedded) {}

  /// The thread of a call, which ends when nobody waits for it any more.
  private static final class Calling {
    private final List<Part> parts;
    private final Thread thread = Thread.currentThread();
    private boolean over;

    private Calling(List<Part> parts) {
      this.parts = parts;
      for (var part : parts) {
        var _ = part.embedded.whenComplete((made, fault) -> endIfUnwanted());
      }
    }

    private synchronized void endIfUnwanted() {
      if (!over && parts.stream().allMatch(part -> part.embedded.isDone())) {
        thread.interrupt();
      }
    }

    /// From now on it is not interrupted any more.
    private synchronized void end() {
      over = true;
    }
  }

  /// Tells all requests of a call what it does.
  private record TellAll(List<Part> parts) implements CallProgress {
    @Override
    public void waits(Duration atLeast) {
      parts.forEach(part -> part.progress.waits(atLeast));
    }

    @Override
    public void waitsForTurn(Duration atLeast) {
      parts.forEach(part -> part.progress.waitsForTurn(atLeast));
    }

    /// A request that has lost its claim leaves the call, which is made without it.
    @Override
    public boolean mayCall(Duration patience) throws InterruptedException {
      boolean may = true;
      boolean without = false;
      for (var part : parts) {
        if (part.embedded.isDone()) {
          continue;
        }
        try {
          may &= part.progress.mayCall(patience);
        } catch (ClaimLostException e) {
          without = true;
          part.embedded.completeExceptionally(e);
        }
      }
      if (without) {
        throw new ClaimLostException("a request of this call was taken over");
      }
      return may;
    }

    @Override
    public void calls(ModelTarget target) {
      parts.forEach(part -> part.progress.calls(target));
    }

    @Override
    public void called(Call call) {
      // each is told its share when all is done
    }
  }

  /// The parts of the next call.
  private static final class Gathering {
    private final List<Part> parts = new ArrayList<>();
    private int inputs;
    private long tokens;
  }

  /// Embeds the texts of a request, in their order.
  ///
  /// @throws InterruptedException if the thread is interrupted: the request leaves its calls, which
  ///   go on for the others, and end when nobody else is left
  /// @throws ClaimLostException if the progress says so: the others' texts are embedded without it
  public CallsMade embed(
      List<String> inputs,
      @Nullable Integer dimensions,
      ModelTarget target,
      Deadline deadline,
      CallProgress progress)
      throws InterruptedException {
    var parts = split(inputs, target, deadline, progress);
    parts.forEach(part -> add(part, target, dimensions));
    var made = new ArrayList<CallsMade>();
    try {
      for (var part : parts) {
        var patience = deadline.left().plus(FOR_LAST_WORDS);
        var each = part.embedded.get(patience.toNanos(), TimeUnit.NANOSECONDS);
        each.calls().forEach(progress::called);
        made.add(each);
      }
      return joined(made, target);
    } catch (TimeoutException e) {
      return new CallsMade(null, target.provider().name(), true, callsOf(made));
    } catch (ExecutionException e) {
      if (e.getCause() instanceof ClaimLostException lost) {
        throw lost;
      }
      throw new IllegalStateException("an embedding met a fault of the worker", e.getCause());
    } finally {
      parts.forEach(part -> part.embedded.cancel(false));
    }
  }

  private static List<Part> split(
      List<String> inputs, ModelTarget target, Deadline deadline, CallProgress progress) {
    var limits = target.provider().embedLimits();
    var parts = new ArrayList<Part>();
    var some = new ArrayList<String>();
    long tokens = 0;
    for (var input : inputs) {
      int more = EstimateTokens.of(List.of(input));
      if (!some.isEmpty() && (some.size() == limits.inputs() || tokens + more > limits.tokens())) {
        parts.add(part(some, deadline, progress));
        some.clear();
        tokens = 0;
      }
      some.add(input);
      tokens += more;
    }
    parts.add(part(some, deadline, progress));
    return parts;
  }

  private static Part part(List<String> inputs, Deadline deadline, CallProgress progress) {
    return new Part(
        List.copyOf(inputs),
        EstimateTokens.of(inputs),
        deadline,
        progress,
        new CompletableFuture<>());
  }

  private void add(Part part, ModelTarget target, @Nullable Integer dimensions) {
    var limits = target.provider().embedLimits();
    var place = new Place(target.toString(), dimensions);
    Gathering full = null;
    synchronized (this) {
      var current = gathering.get(place);
      if (current != null
          && (current.inputs + part.inputs.size() > limits.inputs()
              || current.tokens + part.tokens > limits.tokens())) {
        full = gathering.remove(place);
        current = null;
      }
      if (current == null) {
        current = new Gathering();
        gathering.put(place, current);
        var begun = current;
        calls.execute(() -> gatherAndCall(place, begun, target));
      }
      current.parts.add(part);
      current.inputs += part.inputs.size();
      current.tokens += part.tokens;
    }
    if (full != null) {
      var parts = full.parts;
      calls.execute(() -> call(parts, target, dimensions));
    }
  }

  private void gatherAndCall(Place place, Gathering begun, ModelTarget target) {
    try {
      Thread.sleep(linger);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    synchronized (this) {
      if (!gathering.remove(place, begun)) {
        return; // it became full and was called for already
      }
    }
    call(begun.parts, target, place.dimensions);
  }

  private void call(List<Part> all, ModelTarget target, @Nullable Integer dimensions) {
    var parts = all.stream().filter(part -> !part.embedded.isDone()).toList();
    if (parts.isEmpty()) {
      return;
    }
    try {
      var inputs = parts.stream().flatMap(part -> part.inputs.stream()).toList();
      var latest =
          parts.stream()
              .map(Part::deadline)
              .reduce((one, other) -> one.nanoTime() - other.nanoTime() > 0 ? one : other)
              .orElseThrow();
      var calling = new Calling(parts);
      CallsMade made;
      try {
        made = make.embed(inputs, dimensions, target, latest, new TellAll(parts));
      } finally {
        calling.end();
      }
      if (parts.size() > 1 && spoiltByOne(made)) {
        // each alone: the request whose text it was learns of it, and the others do not pay for it
        parts.forEach(part -> calls.execute(() -> call(List.of(part), target, dimensions)));
        return;
      }
      share(made, parts, inputs.size());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (ClaimLostException e) {
      // anew, for those that are left
      calls.execute(() -> call(parts, target, dimensions));
    } catch (RuntimeException | Error e) {
      parts.forEach(part -> part.embedded.completeExceptionally(e));
    }
  }

  private static boolean spoiltByOne(CallsMade made) {
    return made.outcome() instanceof LlmOutcome.Failed failed
        && switch (failed.error().code()) {
          case INVALID_REQUEST,
              CONTEXT_LENGTH_EXCEEDED,
              REQUEST_TOO_LARGE,
              CONTENT_FILTER,
              RESPONSE_TOO_LARGE ->
              true;
          default -> false;
        };
  }

  /// Gives every part its vectors, and its share of what was counted by the length of its texts.
  private static void share(CallsMade made, List<Part> parts, int inputs) {
    long all = parts.stream().mapToLong(Part::tokens).sum();
    long before = 0;
    int from = 0;
    for (var part : parts) {
      long from0 = before;
      long to0 = before + part.tokens;
      before = to0;
      var calls =
          made.calls().stream().map(call -> shareOf(call, from0, to0, Math.max(1, all))).toList();
      LlmOutcome outcome = made.outcome();
      if (outcome instanceof LlmOutcome.Embedded(var vectors, var origin, var usage, var limits)) {
        outcome =
            vectors.size() == inputs
                ? new LlmOutcome.Embedded(
                    vectors.subList(from, from + part.inputs.size()), origin, usage, limits)
                : null;
      }
      from += part.inputs.size();
      part.embedded.complete(new CallsMade(outcome, made.provider(), made.expired(), calls));
    }
  }

  private static Call shareOf(Call call, long from, long to, long all) {
    return new Call(
        call.provider(),
        call.model(),
        call.startedAt(),
        call.ranMs(),
        call.reply(),
        new TokenCounts(
            share(call.tokens().input(), from, to, all),
            share(call.tokens().cached(), from, to, all),
            share(call.tokens().output(), from, to, all),
            share(call.tokens().reasoning(), from, to, all)),
        call.times());
  }

  /// So that all shares together are the whole.
  private static long share(long amount, long from, long to, long all) {
    return amount * to / all - amount * from / all;
  }

  private static CallsMade joined(List<CallsMade> made, ModelTarget target) {
    var provider = target.provider().name();
    var vectors = new ArrayList<float[]>();
    LlmOutcome.Embedded last = null;
    for (var each : made) {
      if (!(each.outcome() instanceof LlmOutcome.Embedded embedded)) {
        return new CallsMade(each.outcome(), provider, each.expired(), callsOf(made));
      }
      last = embedded;
      vectors.addAll(embedded.vectors());
    }
    if (last == null) {
      throw new IllegalStateException("a request for embeddings without a text");
    }
    var calls = callsOf(made);
    var tokens = CallsMade.tokens(calls);
    var usage = new Usage(tokens.input(), tokens.cached(), tokens.output(), tokens.reasoning());
    return new CallsMade(
        new LlmOutcome.Embedded(vectors, last.origin(), usage, List.of()), provider, false, calls);
  }

  private static List<Call> callsOf(List<CallsMade> made) {
    return made.stream().flatMap(each -> each.calls().stream()).toList();
  }

  @Override
  public void close() {
    calls.shutdownNow();
  }
}
