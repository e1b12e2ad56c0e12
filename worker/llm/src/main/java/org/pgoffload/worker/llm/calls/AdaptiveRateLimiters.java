package org.pgoffload.worker.llm.calls;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.pgoffload.worker.delivery.scheduling.Pausable;
import org.pgoffload.worker.delivery.scheduling.Pauses;
import org.pgoffload.worker.delivery.scheduling.ShortName;
import org.pgoffload.worker.delivery.waiting.Largest;
import org.pgoffload.worker.models.ModelTarget;

/// The limits of every model that is asked.
///
/// Safe to share between threads.
final class AdaptiveRateLimiters implements AutoCloseable {
  /// Callers name models as they like: beyond so many, those that nobody uses are forgotten.
  private static final int USUAL = 1000;

  private final CallSettings settings;
  private final Map<String, AdaptiveRateLimiter> byTarget = new ConcurrentHashMap<>();
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("pgoffload-limits").factory());
  private volatile int workers = 1;
  private Pauses paused = Pauses.NONE;

  /// By which targets are paused, of those that there are limits of.
  private final Map<String, Pausable> pausable = new HashMap<>();

  AdaptiveRateLimiters(CallSettings settings) {
    this.settings = settings;
  }

  AdaptiveRateLimiter of(ModelTarget target) {
    var name = target.toString();
    var known = byTarget.get(name);
    if (known != null) {
      return known;
    }
    return make(target);
  }

  private synchronized AdaptiveRateLimiter make(ModelTarget target) {
    if (byTarget.size() >= USUAL) {
      byTarget.values().removeIf(AdaptiveRateLimiter::isUnused);
      pausable.keySet().retainAll(byTarget.keySet());
    }
    var name = target.toString();
    pausable.put(name, Pausable.ofModel(target.provider().name(), target.model()));
    return byTarget.computeIfAbsent(name, this::limit);
  }

  private boolean isPaused(String target) {
    return paused.hold(pausable.getOrDefault(target, Pausable.NOTHING));
  }

  /// From now on calls to these begin no more, and those to others do.
  synchronized void pause(Pauses now) {
    paused = now;
    byTarget.forEach((target, limit) -> limit.pause(isPaused(target)));
  }

  private AdaptiveRateLimiter limit(String target) {
    var limit =
        new AdaptiveRateLimiter(
            settings.limitsFor(target),
            System::nanoTime,
            (nanos, task) -> {
              if (!timer.isShutdown()) {
                var _ = timer.schedule(task, nanos, TimeUnit.NANOSECONDS);
              }
            });
    limit.shareWith(workers);
    limit.pause(isPaused(target));
    return limit;
  }

  /// How many workers share the configured limits.
  void shareWith(int workersAlive) {
    workers = workersAlive;
    byTarget.values().forEach(limit -> limit.shareWith(workersAlive));
  }

  /// Adds what the next call to each model waits for, where calls are under way or wait.
  ///
  /// @param now by the database's clock
  void tell(ObjectNode models, Instant now) {
    var all = new HashMap<String, AdaptiveRateLimiter.Told>();
    byTarget.forEach((target, limit) -> all.put(target, limit.told()));
    for (var each :
        Largest.of(
            all.entrySet(),
            entry -> entry.getValue().waiting() + (long) entry.getValue().calling())) {
      var told = each.getValue();
      var model =
          models
              .putObject(ShortName.of(each.getKey()))
              .put("waiting", told.waiting())
              .put("calling", told.calling());
      if (told.why() != null) {
        model.put("why", told.why());
        if (told.delay().isPositive()) {
          model.put("until", now.plus(told.delay()).toEpochMilli());
        }
        if (told.perSecond() != Double.POSITIVE_INFINITY) {
          model.put("per_second", Math.round(told.perSecond() * 1000) / 1000.0);
        }
      }
    }
  }

  @Override
  public void close() {
    timer.shutdownNow();
  }
}
