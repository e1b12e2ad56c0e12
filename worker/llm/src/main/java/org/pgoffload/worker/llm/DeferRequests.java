package org.pgoffload.worker.llm;

import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.pgoffload.telemetry.LogRequest;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Hands the records of requests that take long over to the topic of deferred ones, so that they
/// hold up neither the offsets of their partition nor the places of their model: a model that
/// thinks for minutes, a vendor that asks to wait for an hour. The request itself goes on here, and
/// its claim stays.
final class DeferRequests implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(DeferRequests.class);

  private static final Duration INTERVAL = Duration.ofMillis(200);

  private final InFlightRequests asked;
  private final Duration longest;
  private final PublishAnswers publish;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("pgoffload-defer").factory());

  /// @param longest how long a request may take before it is handed over
  DeferRequests(InFlightRequests asked, Duration longest, PublishAnswers publish) {
    this.asked = asked;
    this.longest = longest;
    this.publish = publish;
    var _ =
        timer.scheduleWithFixedDelay(
            this::defer, INTERVAL.toMillis(), INTERVAL.toMillis(), TimeUnit.MILLISECONDS);
  }

  private void defer() {
    try {
      var handedOver = new ArrayList<HandedOver>();
      for (var each : asked.all()) {
        if (each.beginsToDefer(longest)) {
          handedOver.add(
              new HandedOver(
                  each,
                  publish.beginToDefer(
                      each.request().record(), each.waitsUntil(), each.callsMade())));
        }
      }
      for (var each : handedOver) {
        confirm(each);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException e) {
      LOG.error("Requests that take long could not be deferred; trying again", e);
    }
  }

  private record HandedOver(InFlightRequest asked, Future<?> sent) {}

  private static void confirm(HandedOver each) throws InterruptedException {
    try {
      each.sent.get();
      each.asked.deferred();
    } catch (ExecutionException e) {
      each.asked.notDeferred();
      try (var _ = LogRequest.of(each.asked.id())) {
        LOG.warn(
            "Request {} could not be deferred; trying again: {}",
            each.asked.id(),
            String.valueOf(e.getCause()));
      }
    }
  }

  @Override
  public void close() {
    timer.shutdownNow();
  }
}
