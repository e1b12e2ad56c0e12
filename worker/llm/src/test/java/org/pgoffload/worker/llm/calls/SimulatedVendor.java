package org.pgoffload.worker.llm.calls;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Origin;
import org.pgoffload.worker.models.RateLimit;
import org.pgoffload.worker.models.Usage;

/// A vendor that limits its rate by a token bucket, and callers that obey a [AdaptiveRateLimiter],
/// in simulated time: the same course of events in every run, and in milliseconds.
final class SimulatedVendor {
  private static final long SECOND = 1_000_000_000L;

  private final PriorityQueue<Event> events =
      new PriorityQueue<>(
          (a, b) -> a.at != b.at ? Long.compare(a.at, b.at) : Long.compare(a.order, b.order));
  private final double perSecond;
  private final double capacity;
  private final Duration latency;
  private final @Nullable Duration retryAfter;
  private final boolean tells;
  private long now;
  private long order;
  private double saved;
  private long filledAt;
  private @Nullable Duration refusal;
  private List<RateLimit> toTell = List.of();

  int answered;
  final List<Long> answeredAt = new ArrayList<>();
  final List<Long> refusedAt = new ArrayList<>();

  private record Event(long at, long order, Runnable what) {}

  /// @param perSecond what it lets through, and saves up for a second
  /// @param retryAfter what it says with a refusal
  /// @param tells whether its replies bear what is left
  SimulatedVendor(
      double perSecond, Duration latency, @Nullable Duration retryAfter, boolean tells) {
    this.perSecond = perSecond;
    this.capacity = Math.max(1, perSecond);
    this.saved = capacity;
    this.latency = latency;
    this.retryAfter = retryAfter;
    this.tells = tells;
  }

  AdaptiveRateLimiter limit(CallLimits configured) {
    return new AdaptiveRateLimiter(configured, () -> now, (nanos, task) -> at(now + nanos, task));
  }

  /// Somebody wants a call, again and again until it is answered.
  void want(AdaptiveRateLimiter limit) {
    var _ = limit.want(10).thenAccept(permit -> at(now, () -> arrives(limit, permit)));
  }

  void wantAt(Duration time, AdaptiveRateLimiter limit) {
    at(time.toNanos(), () -> want(limit));
  }

  /// Refuses the next call, and asks to wait so long.
  void refuseNext(Duration wait) {
    refusal = wait;
  }

  /// Says so in its next reply.
  void tellNext(RateLimit limit) {
    toTell = List.of(limit);
  }

  Duration firstAnswer() {
    return Duration.ofNanos(answeredAt.getFirst());
  }

  Duration lastAnswer() {
    return Duration.ofNanos(answeredAt.getLast());
  }

  private void arrives(AdaptiveRateLimiter limit, AdaptiveRateLimiter.Permit permit) {
    saved = Math.min(capacity, saved + (now - filledAt) / (double) SECOND * perSecond);
    filledAt = now;
    var asked = refusal == null ? retryAfter : refusal;
    boolean through = saved >= 1 && refusal == null;
    refusal = null;
    if (through) {
      saved--;
    }
    List<RateLimit> limits =
        tells
            ? List.of(
                new RateLimit(
                    RateLimit.Unit.REQUESTS,
                    (long) capacity,
                    (long) saved,
                    Duration.ofNanos((long) ((capacity - saved) / perSecond * SECOND))))
            : toTell;
    toTell = List.of();
    at(
        now + latency.toNanos(),
        () -> {
          if (through) {
            answered++;
            answeredAt.add(now);
            limit.ended(
                permit,
                new LlmOutcome.Answered(
                    "x",
                    FinishReason.STOP,
                    new Origin("p", "m", null),
                    new Usage(5, 0, 5, 0),
                    limits));
          } else {
            refusedAt.add(now);
            limit.ended(
                permit,
                new LlmOutcome.Failed(
                    new LlmError(LlmErrorCode.RATE_LIMITED, "slow down", 429, asked, null),
                    "m",
                    Usage.NONE,
                    limits));
            at(now + (asked == null ? SECOND / 4 : asked.toNanos()), () -> want(limit));
          }
        });
  }

  private void at(long time, Runnable what) {
    events.add(new Event(Math.max(now, time), order++, what));
  }

  /// Runs until nothing happens any more, or the time is over.
  void runFor(Duration time) {
    long end = now + time.toNanos();
    while (!events.isEmpty() && events.peek().at <= end) {
      var next = events.remove();
      now = next.at;
      next.what.run();
    }
    now = Math.max(now, events.isEmpty() ? now : end);
  }

  long refusedAfter(Duration time) {
    return refusedAt.stream().filter(at -> at > time.toNanos()).count();
  }
}
