package org.pgoffload.worker;

import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.pgoffload.protocol.Result;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Runs each claimed request, and sends away each refused record, on a virtual thread of its own.
/// Whatever happens on it, the request ends or is left for the next worker: none is forgotten while
/// this worker lives.
///
/// Safe to share between threads.
final class RunRequests {
  private static final Logger LOG = LoggerFactory.getLogger(RunRequests.class);

  /// More than is ever between a result and its way into the database.
  private static final int REMEMBERED = 100_000;

  /// For what was interrupted to notice it, and for an answer that is there to be published.
  private static final Duration AFTER_THE_DRAIN = Duration.ofSeconds(1);

  private final AnswerRequest answer;
  private final PublishResults publish;
  private final UnfinishedRequests unfinished;
  private final RecentIds published = new RecentIds(REMEMBERED);
  private final AtomicInteger refused = new AtomicInteger();
  private final AtomicLong refusedBytes = new AtomicLong();
  private final ExecutorService running =
      Executors.newThreadPerTaskExecutor(
          Thread.ofVirtual().name("pgoffload-request-", 0).factory());

  RunRequests(AnswerRequest answer, PublishResults publish, UnfinishedRequests unfinished) {
    this.answer = answer;
    this.publish = publish;
    this.unfinished = unfinished;
  }

  /// Whether this worker has published the result of a request: delivered again, it needs nothing,
  /// even while the database does not have the result yet.
  boolean hasPublished(long id) {
    return published.contains(id);
  }

  /// Makes the call and publishes what comes of it.
  void begin(ReceivedRequest request, Claim.Claimed claimed) {
    unfinished.running(request.id());
    running.execute(() -> publish(request, () -> result(request, claimed)));
  }

  /// Ends a request that the database will not let anybody claim.
  void fail(ReceivedRequest request, String sqlState) {
    unfinished.running(request.id());
    running.execute(() -> publish(request, () -> answer.unclaimable(request.envelope(), sqlState)));
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

  /// Lets what runs finish within the time, interrupts the rest and leaves it for the next worker.
  void drain(Duration patience) {
    running.shutdown();
    try {
      if (!running.awaitTermination(patience.toMillis(), TimeUnit.MILLISECONDS)) {
        LOG.info("{} requests are left for the next worker", unfinished.running());
        running.shutdownNow();
        if (!running.awaitTermination(AFTER_THE_DRAIN.toMillis(), TimeUnit.MILLISECONDS)) {
          LOG.warn("Some requests did not end when interrupted; their results may still come");
        }
      }
    } catch (InterruptedException e) {
      running.shutdownNow();
      Thread.currentThread().interrupt();
    }
  }

  static int size(ConsumerRecord<byte[], byte[]> record) {
    return Math.max(0, record.serializedKeySize()) + Math.max(0, record.serializedValueSize());
  }

  @FunctionalInterface
  private interface ResultOfRequest {
    Result get() throws InterruptedException;
  }

  private void publish(ReceivedRequest request, ResultOfRequest result) {
    try {
      publish.result(result.get());
      // in this order: between the two the request is both, never neither
      published.add(request.id());
      unfinished.finish(request.id());
    } catch (InterruptedException e) {
      LOG.info("Request {} is left for the next worker", request.id());
      Thread.currentThread().interrupt();
    }
  }

  private Result result(ReceivedRequest request, Claim.Claimed claimed)
      throws InterruptedException {
    try {
      return answer.answer(request.envelope(), claimed);
    } catch (RuntimeException | Error e) {
      // An error too: this thread is all that knows the request, and it would wait for ever.
      // The words of an exception may contain what was asked: its kind and place are enough.
      LOG.error(
          "Request {} met a fault of the worker and ends as failed: {} at {}",
          request.id(),
          e.getClass().getName(),
          e.getStackTrace().length == 0 ? "?" : e.getStackTrace()[0]);
      return answer.fault(request.envelope(), claimed);
    }
  }
}
