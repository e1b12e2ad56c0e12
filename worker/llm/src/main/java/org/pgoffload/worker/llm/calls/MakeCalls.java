package org.pgoffload.worker.llm.calls;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Call;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.delivery.scheduling.Pauses;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.FileDescriptors;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.ModelTarget;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.RerankCall;
import org.pgoffload.worker.models.Usage;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Makes the calls for a request until there is an answer, a failure that another try would not
/// mend, or no time left. It blocks the request's own virtual thread and nothing else.
///
/// A refusal for a rate limit only delays: as long as the vendor asks, and with each one in a row
/// longer by this worker's own measure, and then in turn. So does the lack of a file descriptor,
/// which no vendor is to blame for. Other passing failures are tried again a few times, then the
/// next one of the fallbacks is asked, which also happens at once when a provider is known to be
/// down or out of quota.
///
/// Longer than 300 lines because the calls of all kinds are made in one loop.
///
/// Safe to share between threads.
public final class MakeCalls implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(MakeCalls.class);

  private static final long BETWEEN_WARNINGS = Duration.ofMinutes(1).toNanos();

  private final CallSettings settings;
  private final InstantSource clock;
  private final Backoff backoff;
  private final AdaptiveRateLimiters limits;
  private final MeasureCalls measure;
  private final AtomicLong warnedAt = new AtomicLong(System.nanoTime() - BETWEEN_WARNINGS);

  /// @param clock only says when calls were made
  public MakeCalls(CallSettings settings, InstantSource clock, Telemetry telemetry) {
    this.settings = settings;
    this.clock = clock;
    this.backoff = new Backoff(settings.firstBackoff(), settings.maxBackoff());
    this.limits = new AdaptiveRateLimiters(settings);
    this.measure = new MeasureCalls(telemetry);
  }

  /// One call to a target, with this much time.
  @FunctionalInterface
  private interface OneCall {
    LlmOutcome make(ModelTarget target, Duration time) throws InterruptedException;
  }

  /// A request whose calls are made.
  ///
  /// @param operation the name of its calls in measures
  /// @param tokens that a call takes, estimated
  /// @param calls that were made for it
  private record Asked(
      String operation,
      int tokens,
      OneCall one,
      Deadline deadline,
      CallProgress progress,
      List<Call> calls) {
    Asked(String operation, int tokens, OneCall one, Deadline deadline, CallProgress progress) {
      this(operation, tokens, one, deadline, progress, new ArrayList<>());
    }
  }

  /// How many workers share the configured limits.
  public void shareWith(int workersAlive) {
    limits.shareWith(workersAlive);
  }

  /// From now on no call to these models begins; those that wait for one wait on.
  public void pause(Pauses paused) {
    limits.pause(paused);
  }

  /// Adds what the next call to each model waits for.
  ///
  /// @param now by the database's clock
  public void tell(ObjectNode models, Instant now) {
    limits.tell(models, now);
  }

  /// Asks the first of the targets that is able to answer.
  ///
  /// @param targets at least one, in the order in which they are asked
  /// @param pieces takes the answer while it is written, if it is to be streamed; begins anew with
  ///   each call
  /// @throws ClaimLostException if the progress says so: no call is begun then
  /// @throws InterruptedException if the thread is interrupted: a call under way ends at once
  public CallsMade ask(
      LlmCall call,
      List<ModelTarget> targets,
      Deadline deadline,
      PieceListener pieces,
      CallProgress progress)
      throws InterruptedException {
    OneCall one = (target, time) -> target.provider().ask(call.to(target.model(), time), pieces);
    return make(new Asked("chat", EstimateTokens.of(call), one, deadline, progress), targets);
  }

  /// Embeds with one model only: the vectors of two models have nothing to do with each other.
  ///
  /// @throws ClaimLostException if the progress says so: no call is begun then
  /// @throws InterruptedException if the thread is interrupted: a call under way ends at once
  public CallsMade embed(
      List<String> inputs,
      @Nullable Integer dimensions,
      ModelTarget target,
      Deadline deadline,
      CallProgress progress)
      throws InterruptedException {
    OneCall one =
        (asked, time) ->
            asked.provider().embed(new EmbedCall(asked.model(), inputs, dimensions, time));
    return make(
        new Asked("embeddings", EstimateTokens.of(inputs), one, deadline, progress),
        List.of(target));
  }

  /// Ranks documents with one model only: the scores of two models have nothing to do with each
  /// other.
  ///
  /// @param call to no model yet, and without its time
  /// @throws ClaimLostException if the progress says so: no call is begun then
  /// @throws InterruptedException if the thread is interrupted: a call under way ends at once
  public CallsMade rerank(
      RerankCall call, ModelTarget target, Deadline deadline, CallProgress progress)
      throws InterruptedException {
    OneCall one = (asked, time) -> asked.provider().rerank(call.to(asked.model(), time));
    return make(
        new Asked("rerank", EstimateTokens.of(call), one, deadline, progress), List.of(target));
  }

  private CallsMade make(Asked request, List<ModelTarget> targets) throws InterruptedException {
    var deadline = request.deadline;
    var progress = request.progress;
    var calls = request.calls;
    LlmOutcome last = null;
    var asked = targets.getFirst();
    for (int i = 0; i < targets.size(); i++) {
      boolean another = i + 1 < targets.size();
      var limit = limits.of(targets.get(i));
      if (another && (limit.isToBeAvoided() || isTooLong(limit.closedFor(), deadline))) {
        continue;
      }
      asked = targets.get(i);
      int tries = 0;
      int delays = 0;
      while (true) {
        var closed = limit.closedFor();
        // what nobody asked for is no reason, however little time is left
        if (closed.isPositive() && isTooLong(closed, deadline)) {
          return new CallsMade(closed(asked, closed), asked.provider().name(), true, calls);
        }
        progress.waitsForTurn(closed);
        var permit = limit.acquire(request.tokens, deadline.left());
        if (permit == null) {
          return new CallsMade(last, asked.provider().name(), true, calls);
        }
        var outcome = call(request, asked, limit, permit);
        if (outcome == null) {
          return new CallsMade(last, asked.provider().name(), true, calls);
        }
        last = outcome;
        if (!(last instanceof LlmOutcome.Failed failed)) {
          return new CallsMade(last, asked.provider().name(), false, calls);
        }
        var error = failed.error();
        if (deadline.hasPassed()) {
          return new CallsMade(last, asked.provider().name(), true, calls);
        }
        if (!error.retryable()) {
          // a fallback that cannot do what the first one could says nothing of the question
          if (another && (i > 0 || error.code() == LlmErrorCode.QUOTA_EXHAUSTED)) {
            break;
          }
          return new CallsMade(last, asked.provider().name(), false, calls);
        }
        if (onlyDelays(error.code())) {
          delays++;
        } else {
          tries++;
        }
        var wait = waitAfter(error, tries + delays, deadline);
        boolean enough = tries >= settings.maxTries() || isTooLong(wait, deadline);
        if (another && (enough || limit.isToBeAvoided())) {
          break;
        }
        if (enough) {
          // to wait for what can only come too late would help nobody
          boolean late = tries < settings.maxTries();
          return new CallsMade(last, asked.provider().name(), late, calls);
        }
        progress.waits(wait);
        measure.retried(asked);
        Thread.sleep(wait);
      }
    }
    return new CallsMade(last, asked.provider().name(), false, calls);
  }

  private static LlmOutcome closed(ModelTarget asked, Duration wait) {
    return new LlmOutcome.Failed(
        new LlmError(
            LlmErrorCode.RATE_LIMITED,
            asked + " has asked all callers to wait for another " + wait.toSeconds() + " s",
            null,
            wait,
            null),
        asked.model(),
        Usage.NONE,
        List.of());
  }

  private static boolean isTooLong(Duration wait, Deadline deadline) {
    return wait.compareTo(deadline.left()) >= 0;
  }

  private static boolean onlyDelays(LlmErrorCode code) {
    return code == LlmErrorCode.RATE_LIMITED || code == LlmErrorCode.TOO_MANY_OPEN_FILES;
  }

  /// The vendor's word is obeyed in full, and is not enough: one that refuses again and again may
  /// say that there is nothing to wait for. What is waited beyond its word leaves time for a try.
  private Duration waitAfter(LlmError error, int failures, Deadline deadline) {
    var own = shorter(backoff.after(failures), deadline.left().dividedBy(2));
    var asked = error.retryAfter();
    return longer(longer(own, backoff.least()), asked == null ? Duration.ZERO : asked);
  }

  /// A line of its own, since every vendor and everything else in the process suffers from it.
  private void warnOfOpenFiles(LlmOutcome outcome) {
    if (outcome instanceof LlmOutcome.Failed failed
        && failed.error().code() == LlmErrorCode.TOO_MANY_OPEN_FILES) {
      long last = warnedAt.get();
      long now = System.nanoTime();
      if (now - last >= BETWEEN_WARNINGS && warnedAt.compareAndSet(last, now)) {
        LOG.error(
            "Too many open files: this process may have {}, and calls to models wait until one is"
                + " closed; raise its ulimit -n",
            FileDescriptors.most());
      }
    }
  }

  /// @return null if it could not be made in time
  private @Nullable LlmOutcome call(
      Asked request,
      ModelTarget target,
      AdaptiveRateLimiter limit,
      AdaptiveRateLimiter.Permit permit)
      throws InterruptedException {
    var deadline = request.deadline;
    var progress = request.progress;
    boolean ended = false;
    try {
      if (!progress.mayCall(deadline.left())) {
        return null;
      }
      var time = shorter(deadline.left(), settings.callTimeout());
      if (time.toMillis() < 1) {
        // it could only be broken off, and be paid for
        return null;
      }
      progress.calls(target);
      var startedAt = clock.instant().truncatedTo(ChronoUnit.MICROS);
      long begun = System.nanoTime();
      var span = measure.begin(request.operation, target);
      try {
        var outcome = request.one.make(target, time);
        double ranMs = (System.nanoTime() - begun) / 1e6;
        ended = true;
        limit.ended(permit, outcome);
        warnOfOpenFiles(outcome);
        var made = DescribeCall.of(target, startedAt, ranMs, outcome);
        measure.called(target, made, span);
        request.calls.add(made);
        progress.called(made);
        return outcome;
      } finally {
        measure.end(span);
      }
    } finally {
      if (!ended) {
        limit.giveBack(permit);
      }
    }
  }

  private static Duration longer(Duration one, Duration other) {
    return one.compareTo(other) >= 0 ? one : other;
  }

  private static Duration shorter(Duration one, Duration other) {
    return one.compareTo(other) <= 0 ? one : other;
  }

  @Override
  public void close() {
    limits.close();
  }
}
