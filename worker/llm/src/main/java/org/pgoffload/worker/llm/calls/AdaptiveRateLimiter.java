package org.pgoffload.worker.llm.calls;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.RateLimit;
import org.pgoffload.worker.models.Usage;

/// Decides when the next call to one model may begin, in the order in which they were wanted. A
/// limit delays and never fails.
///
/// Four things delay: the configured limits, divided by the workers that live; what the vendor's
/// replies tell of its own (which counts what all workers do); a refusal, which stops everything
/// for as long as the vendor asks and then sets a pace a little below what got through; and, at
/// first, a number of calls at a time that grows with each one that succeeds. Without refusals the
/// pace rises, slowly at first and then faster and faster.
///
/// Longer than 300 lines because the four decide together, under one lock.
///
/// Safe to share between threads.
final class AdaptiveRateLimiter {
  /// Calls at a time before anything is known.
  private static final int FIRST_WINDOW = 256;

  /// Below what got through before a refusal, since some of it came from what had been saved up.
  private static final double AFTER_REFUSAL = 0.9;

  private static final double SLOWEST_PER_SECOND = 0.5;

  /// A share of the pace each second.
  private static final double RISE = 0.02;

  private static final double RISE_LEAST = 0.02;

  /// After so long without a refusal the pace rises twice as fast, and so on.
  private static final long RISE_DOUBLES = Duration.ofSeconds(10).toNanos();

  /// Where the vendor does not say how long to wait, or says that there is no need to, while it
  /// refuses.
  private static final Duration PAUSE_AFTER_REFUSAL = Duration.ofMillis(250);

  /// Beyond so many times what is known, nothing limits.
  private static final double FORGOTTEN = 100;

  private static final double REQUEST_BURST_SECONDS = 0.1;
  private static final double TOKEN_BURST_SECONDS = 5;

  /// However many tokens a reply counts: ten minutes' worth are more than a call can have.
  private static final Duration LONGEST_WAIT_FOR_A_COUNT = Duration.ofMinutes(10);

  private static final int DOWN_AFTER = 5;
  private static final long DOWN_NANOS = Duration.ofSeconds(10).toNanos();
  private static final long OUT_OF_QUOTA_NANOS = Duration.ofMinutes(1).toNanos();
  private static final long FORGOTTEN_AFTER = Duration.ofMinutes(1).toNanos();

  /// A refused request waits as long as the vendor asks; the others try again after this.
  private static final long LONGEST_CLOSED = Duration.ofMinutes(5).toNanos();

  private static final long SECOND = Duration.ofSeconds(1).toNanos();

  private final CallLimits configured;
  private final LongSupplier clock;
  private final Timer timer;

  // all guarded by this
  private final ArrayDeque<Waiting> queue = new ArrayDeque<>();
  private final Pace requests;
  private final Pace tokens;
  private final Map<RateLimit.Unit, VendorLimit> told = new EnumMap<>(RateLimit.Unit.class);
  private int workers = 1;
  private int running;
  private double window = FIRST_WINDOW;
  private long closedUntil;
  private long slowedAt;
  private long risenAt;
  private double knownGood;

  /// Since the last refusal, or since there was nothing to do.
  private long measuredFrom;

  private int gotThrough;

  /// Whether there was a refusal for which the pace is not yet set.
  private boolean measuring;

  private long lastEnded;
  private double paced = Double.POSITIVE_INFINITY;
  private int failuresInARow;
  private long avoidUntil;
  private boolean paused;
  private long wakeAt = Long.MAX_VALUE;

  /// Wakes after a while.
  @FunctionalInterface
  interface Timer {
    void after(long nanos, Runnable task);
  }

  /// The right to make one call.
  record Permit(long begunAt, int estimatedTokens) {}

  private record Waiting(CompletableFuture<Permit> granted, int estimatedTokens) {}

  /// A vendor's limit as it was told last, and what was taken since.
  private static final class VendorLimit {
    private final RateLimit limit;
    private final long at;
    private double taken;

    private VendorLimit(RateLimit limit, long at) {
      this.limit = limit;
      this.at = at;
    }

    /// Nanoseconds until so much is left of it; what is larger than all of it waits for all of it.
    private long waitFor(double need, long now) {
      long resetNanos = limit.resetAfter().toNanos();
      long sinceTold = now - at;
      if (sinceTold >= resetNanos) {
        return 0;
      }
      double all = limit.limit() == null ? Math.max(limit.remaining(), 1) : limit.limit();
      double left = limit.remaining() - taken;
      double wanted = Math.min(need, all);
      if (left >= wanted) {
        return 0;
      }
      // it fills evenly until the reset, as far as anybody can tell
      double missing = Math.max(1, all - limit.remaining());
      double share = Math.min(1, (wanted - left) / missing);
      return Math.max(0, (long) (resetNanos * share) - sinceTold);
    }
  }

  AdaptiveRateLimiter(CallLimits configured, LongSupplier clock, Timer timer) {
    this.configured = configured;
    this.clock = clock;
    this.timer = timer;
    long now = clock.getAsLong();
    this.requests = new Pace(REQUEST_BURST_SECONDS, now);
    this.tokens = new Pace(TOKEN_BURST_SECONDS, now);
    this.measuredFrom = now;
    this.lastEnded = now;
    this.closedUntil = now;
    this.slowedAt = now - SECOND;
    this.risenAt = now;
    this.avoidUntil = now;
    applyRates();
  }

  /// How many workers share the configured limits.
  synchronized void shareWith(int workersAlive) {
    if (workers != workersAlive) {
      workers = Math.max(1, workersAlive);
      applyRates();
    }
  }

  /// Whether no more calls are to begin. Those that wait keep their order.
  void pause(boolean isPaused) {
    synchronized (this) {
      if (paused == isPaused) {
        return;
      }
      paused = isPaused;
    }
    dispatch();
  }

  /// Whether calls fail for reasons that another provider would not have.
  synchronized boolean isToBeAvoided() {
    return clock.getAsLong() - avoidUntil < 0;
  }

  /// How long the vendor has asked everybody to wait.
  synchronized Duration closedFor() {
    return Duration.ofNanos(Math.max(0, closedUntil - clock.getAsLong()));
  }

  /// How many wait for their turn.
  synchronized int waiting() {
    return queue.size();
  }

  /// What the next call waits for.
  ///
  /// @param waiting how many wait for their turn
  /// @param calling how many calls are under way
  /// @param why one of the words of `pgoffload.pace_of`; null if nothing waits
  /// @param delay how long it waits at least; zero if nobody can tell
  /// @param perSecond how many calls may begin in a second; infinite if that is not limited
  record Told(int waiting, int calling, @Nullable String why, Duration delay, double perSecond) {}

  /// What is the case now.
  synchronized Told told() {
    double perSecond = requests.perSecond();
    var next = queue.peek();
    if (next == null) {
      return new Told(0, running, null, Duration.ZERO, perSecond);
    }
    if (paused) {
      return new Told(queue.size(), running, "paused", Duration.ZERO, perSecond);
    }
    if (running >= concurrency()) {
      boolean isConfigured =
          configured.concurrency() != null && concurrency() >= configured.concurrency();
      var why = isConfigured ? "concurrency" : "window";
      return new Told(queue.size(), running, why, Duration.ZERO, perSecond);
    }
    long now = clock.getAsLong();
    long wait = waitFor(next.estimatedTokens, now);
    String why;
    if (closedUntil - now >= wait) {
      why = "vendor_asked";
    } else if (requests.waitFor(now) >= wait) {
      why = paced < perSecond(configured.requestsPerMinute()) ? "refusals" : "requests_per_minute";
    } else if (tokens.waitFor(now) >= wait) {
      why = "tokens_per_minute";
    } else {
      why = "vendor_limit";
    }
    return new Told(
        queue.size(), running, wait > 0 ? why : "turn", Duration.ofNanos(wait), perSecond);
  }

  /// Whether there is nothing to be remembered of it.
  synchronized boolean isUnused() {
    long now = clock.getAsLong();
    return running == 0
        && queue.isEmpty()
        && now - lastEnded > FORGOTTEN_AFTER
        && now - closedUntil >= 0
        && now - avoidUntil >= 0;
  }

  /// Waits for the right to make a call.
  ///
  /// @param estimatedTokens input and output that the call may count
  /// @return null if it did not come in time
  @Nullable Permit acquire(int estimatedTokens, Duration patience) throws InterruptedException {
    var granted = want(estimatedTokens);
    try {
      return granted.get(patience.toNanos(), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      return giveUp(granted);
    } catch (InterruptedException e) {
      var late = giveUp(granted);
      if (late != null) {
        giveBack(late);
      }
      throw e;
    } catch (ExecutionException e) {
      throw new IllegalStateException("a permit is granted or given up, it never fails", e);
    }
  }

  /// Queues for the right to make a call.
  CompletableFuture<Permit> want(int estimatedTokens) {
    var granted = new CompletableFuture<Permit>();
    synchronized (this) {
      queue.add(new Waiting(granted, estimatedTokens));
    }
    dispatch();
    return granted;
  }

  private @Nullable Permit giveUp(CompletableFuture<Permit> granted) {
    synchronized (this) {
      if (!granted.isDone()) {
        granted.cancel(false);
        return null;
      }
    }
    return granted.join();
  }

  /// A call was not made after all.
  void giveBack(Permit permit) {
    synchronized (this) {
      running--;
      long now = clock.getAsLong();
      requests.take(-1, now);
      tokens.take(-permit.estimatedTokens, now);
    }
    dispatch();
  }

  /// A call ended so.
  void ended(Permit permit, LlmOutcome outcome) {
    synchronized (this) {
      long now = clock.getAsLong();
      running--;
      lastEnded = now;
      tokens.take(
          Math.min((double) total(outcome.usage()), mostCounted()) - permit.estimatedTokens, now);
      for (var limit : outcome.limits()) {
        told.put(limit.unit(), new VendorLimit(limit, now));
      }
      switch (outcome) {
        case LlmOutcome.Answered _, LlmOutcome.Embedded _, LlmOutcome.Reranked _ -> succeeded(now);
        case LlmOutcome.Failed failed -> failed(permit, failed, now);
      }
    }
    dispatch();
  }

  private void succeeded(long now) {
    gotThrough++;
    failuresInARow = 0;
    avoidUntil = now;
    window++;
    rise(now);
  }

  private void failed(Permit permit, LlmOutcome.Failed failed, long now) {
    var error = failed.error();
    switch (error.code()) {
      case RATE_LIMITED -> refused(permit, error.retryAfter(), now);
      case QUOTA_EXHAUSTED -> avoidUntil = now + OUT_OF_QUOTA_NANOS;
      case PROVIDER_ERROR,
          PROVIDER_OVERLOADED,
          PROVIDER_UNREACHABLE,
          CONNECTION_LOST,
          RESPONSE_STALLED -> {
        failuresInARow++;
        if (failuresInARow >= DOWN_AFTER) {
          avoidUntil = now + DOWN_NANOS;
          window = Math.max(1, window / 2);
        }
        if (error.code() == LlmErrorCode.PROVIDER_OVERLOADED && error.retryAfter() != null) {
          closeFor(error.retryAfter(), now);
        }
      }
      default -> {}
    }
  }

  private void refused(Permit permit, @Nullable Duration retryAfter, long now) {
    // calls that had begun before the last refusal came back tell nothing new
    if (permit.begunAt - slowedAt >= 0) {
      slowedAt = now;
      measuring = true;
    }
    closeFor(
        retryAfter == null || retryAfter.compareTo(PAUSE_AFTER_REFUSAL) < 0
            ? PAUSE_AFTER_REFUSAL
            : retryAfter,
        now);
  }

  private void closeFor(Duration wait, long now) {
    long until = now + Math.min(wait.toNanos(), LONGEST_CLOSED);
    if (until - closedUntil > 0) {
      closedUntil = until;
    }
  }

  /// Sets the pace at the end of the wait, when what was under way has come back. The time of the
  /// wait counts: what was saved up by then gets through too.
  private void slowDown(long now) {
    double seconds = Math.max(1, (now - measuredFrom) / (double) SECOND);
    if (gotThrough > 0) {
      knownGood = gotThrough / seconds;
      paced = Math.max(SLOWEST_PER_SECOND, knownGood * AFTER_REFUSAL);
    } else {
      paced = Math.max(SLOWEST_PER_SECOND, Math.min(paced, FIRST_WINDOW) / 2);
    }
    measuring = false;
    measuredFrom = now;
    gotThrough = 0;
    risenAt = now;
    applyRates();
    // nothing was saved up meanwhile
    requests.beginAt(now);
  }

  private void rise(long now) {
    if (paced == Double.POSITIVE_INFINITY || measuring || now - risenAt <= 0) {
      return;
    }
    double seconds = Math.min(1, (now - risenAt) / (double) SECOND);
    risenAt = now;
    double share = RISE * (1 + (now - measuredFrom) / (double) RISE_DOUBLES);
    paced += seconds * (paced * share + RISE_LEAST);
    if (paced > Math.max(1, knownGood) * FORGOTTEN) {
      paced = Double.POSITIVE_INFINITY;
    }
    applyRates();
  }

  private void applyRates() {
    requests.perSecond(Math.min(paced, perSecond(configured.requestsPerMinute())));
    tokens.perSecond(perSecond(configured.tokensPerMinute()));
  }

  private double perSecond(@Nullable Integer perMinute) {
    return perMinute == null ? Double.POSITIVE_INFINITY : perMinute / 60.0 / workers;
  }

  /// A count that no call can have must not close the model for days.
  private double mostCounted() {
    return tokens.perSecond() * LONGEST_WAIT_FOR_A_COUNT.toSeconds();
  }

  private static long total(Usage usage) {
    return usage.inputTokens() + usage.outputTokens();
  }

  /// Grants what may begin now, and sees to it that the next one is granted when it may.
  private void dispatch() {
    synchronized (this) {
      long now = clock.getAsLong();
      if (running == 0 && queue.size() == 1 && now - lastEnded > SECOND) {
        // nobody wanted anything: that says nothing of what would get through
        measuredFrom = now;
        gotThrough = 0;
      }
      if (measuring && now - closedUntil >= 0) {
        slowDown(now);
      }
      while (!queue.isEmpty() && running < concurrency()) {
        var next = queue.peek();
        if (next.granted.isDone()) {
          queue.remove(); // it has given up
          continue;
        }
        if (paused) {
          break;
        }
        long wait = waitFor(next.estimatedTokens, now);
        if (wait > 0) {
          wakeIn(wait, now);
          break;
        }
        queue.remove();
        running++;
        requests.take(1, now);
        tokens.take(next.estimatedTokens, now);
        told.forEach((unit, each) ->
            each.taken += unit == RateLimit.Unit.REQUESTS ? 1 : next.estimatedTokens);
        next.granted.complete(new Permit(now, next.estimatedTokens));
      }
    }
  }

  private int concurrency() {
    int open = (int) Math.min(window, Integer.MAX_VALUE);
    return configured.concurrency() == null ? open : Math.min(open, configured.concurrency());
  }

  private long waitFor(int estimatedTokens, long now) {
    long wait = Math.max(0, closedUntil - now);
    wait = Math.max(wait, requests.waitFor(now));
    wait = Math.max(wait, tokens.waitFor(now));
    for (var each : told.entrySet()) {
      double need = each.getKey() == RateLimit.Unit.REQUESTS ? 1 : estimatedTokens;
      wait = Math.max(wait, each.getValue().waitFor(need, now));
    }
    return wait;
  }

  private void wakeIn(long nanos, long now) {
    long at = now + nanos;
    if (wakeAt == Long.MAX_VALUE || at - wakeAt < 0 || wakeAt - now <= 0) {
      wakeAt = at;
      timer.after(nanos, this::wake);
    }
  }

  private void wake() {
    synchronized (this) {
      wakeAt = Long.MAX_VALUE;
    }
    dispatch();
  }
}
