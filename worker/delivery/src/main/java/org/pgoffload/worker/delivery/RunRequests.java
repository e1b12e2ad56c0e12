package org.pgoffload.worker.delivery;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.context.Context;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.pgoffload.protocol.RequestKey;
import org.pgoffload.telemetry.LogRequest;
import org.pgoffload.worker.delivery.trust.VerifyRequest;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Runs each claimed request of a handler, and sends away each refused record, on a virtual thread
/// of its own. Whatever happens on it, the request ends or is left for the next worker: none is
/// forgotten while this worker lives.
///
/// Safe to share between threads.
public final class RunRequests {
  private static final Logger LOG = LoggerFactory.getLogger(RunRequests.class);

  /// More than is ever between a result and its way into the database.
  private static final int REMEMBERED = 100_000;

  /// For what was interrupted to notice it, and for an answer that is there to be published.
  private static final Duration AFTER_THE_DRAIN = Duration.ofSeconds(1);

  private final PublishRecords publish;
  private final MeasureRequests measure;
  private final RecentRequests<RequestKey> published = new RecentRequests<>(REMEMBERED);
  private final AtomicInteger failOvers = new AtomicInteger();
  private final AtomicInteger refused = new AtomicInteger();
  private final AtomicLong refusedBytes = new AtomicLong();
  private final ExecutorService running;

  /// @param kind in the names of the threads
  public RunRequests(String kind, PublishRecords publish, MeasureRequests measure) {
    this.running =
        Executors.newThreadPerTaskExecutor(
            Thread.ofVirtual().name("pgoffload-" + kind + "-request-", 0).factory());
    this.publish = publish;
    this.measure = measure;
  }

  /// Whether this worker has published the result of a request: delivered again, it needs nothing,
  /// even while the database does not have the result yet.
  public boolean hasPublished(RequestKey request) {
    return published.contains(request);
  }

  /// The database was failed over: it may have lost what was published, and decides anew of what is
  /// delivered again.
  void failedOver() {
    failOvers.incrementAndGet();
    published.clear();
  }

  /// Its result is published: to be said before anything forgets that it ran.
  public void published(RequestKey request) {
    published.add(request);
  }

  /// Executes a request; then counts it as finished, or watches it if another worker has it.
  ///
  /// @param pending where it counts as unfinished
  void begin(PendingRequests pending, ConsumedRequest request, RequestHandler.Execution execution) {
    pending.running(request.id());
    int begunAfter = failOvers.get();
    execute(
        request.id(),
        measure.begin(request),
        () -> {
          switch (execution.run()) {
            case FINISHED -> {
              // in this order: between the two the request is both, never neither
              if (begunAfter == failOvers.get()) {
                published.add(request.envelope().key());
              }
              pending.finish(request.id());
            }
            case HELD -> pending.heldElsewhere(request);
          }
        });
  }

  /// Ends a request that was never received here: if it comes, it needs nothing.
  public void begin(RequestKey request, Ending ending) {
    execute(
        request.id(),
        Context.root(),
        () -> {
          ending.run();
          published.add(request);
        });
  }

  /// Ends a request.
  @FunctionalInterface
  public interface Ending {
    /// Publishes its result.
    ///
    /// @throws InterruptedException if the worker is closing: the next worker ends it
    void run() throws InterruptedException;
  }

  private void execute(long id, Context trace, Ending body) {
    try {
      running.execute(() -> {
        try (var _ = LogRequest.of(id);
            var _ = trace.makeCurrent()) {
          run(id, body);
        } finally {
          Span.fromContext(trace).end();
        }
      });
    } catch (RejectedExecutionException e) {
      LOG.info("Request {} came while the worker closes; it is left for the next", id);
    }
  }

  private static void run(long id, Ending body) {
    try {
      body.run();
    } catch (InterruptedException e) {
      LOG.info("Request {} is left for the next worker", id);
      Thread.currentThread().interrupt();
    }
  }

  /// Sends a record that is not executed to the dead letters.
  ///
  /// @param finish is run when it is there
  void refuse(
      ConsumerRecord<byte[], byte[]> record,
      VerifyRequest.Verdict.Refused verdict,
      Runnable finish) {
    LOG.warn(
        "The record at {}-{}@{} is not executed ({}: {}); it goes to the dead letters",
        record.topic(),
        record.partition(),
        record.offset(),
        verdict.reason().code(),
        verdict.detail());
    int size = size(record);
    refused.incrementAndGet();
    refusedBytes.addAndGet(size);
    running.execute(() -> {
      try {
        publish.deadLetter(record, verdict.reason(), verdict.detail());
        finish.run();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } catch (RuntimeException e) {
        LOG.error(
            "The record at {}-{}@{} could not be sent to the dead letters, and is left where it is",
            record.topic(),
            record.partition(),
            record.offset(),
            e);
        finish.run();
      } finally {
        refused.decrementAndGet();
        refusedBytes.addAndGet(-size);
      }
    });
  }

  /// How many refused records are on their way.
  int refused() {
    return refused.get();
  }

  /// Their bytes.
  long refusedBytes() {
    return refusedBytes.get();
  }

  /// Begins nothing more and lets what runs finish.
  ///
  /// @return whether everything has finished within the time
  boolean finishWithin(Duration patience) {
    running.shutdown();
    try {
      return running.awaitTermination(patience.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /// Interrupts what still runs: it is left for the next worker.
  void leaveTheRest() {
    if (running.isTerminated()) {
      return;
    }
    LOG.info("What still runs is left for the next worker");
    running.shutdownNow();
    if (!finishWithin(AFTER_THE_DRAIN)) {
      LOG.warn("Some requests did not end when interrupted; their results may still come");
    }
  }

  static int size(ConsumerRecord<byte[], byte[]> record) {
    return Math.max(0, record.serializedKeySize()) + Math.max(0, record.serializedValueSize());
  }
}
