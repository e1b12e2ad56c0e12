package org.pgoffload.worker;

import java.sql.SQLException;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.pgoffload.protocol.Result;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One lane: a single thread polls, verifies and claims; each claimed request runs on a virtual
/// thread of its own and they finish in any order; offsets are committed below the lowest
/// unfinished request only.
///
/// At the edge of the window (unfinished requests, or their bytes) the partitions are paused. While
/// the database cannot be asked nothing is claimed, so nothing is begun.
final class ConsumeRequests implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(ConsumeRequests.class);

  private static final int CLAIM_BATCH = 500;
  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration POLL_AT_THE_EDGE = Duration.ofMillis(2);
  private static final Duration COMMIT_INTERVAL = Duration.ofMillis(100);
  private static final Duration WATCH_INTERVAL = Duration.ofMillis(500);

  private final WorkerConfiguration configuration;
  private final String topic;
  private final Consumer<byte[], byte[]> consumer;
  private final VerifyRequest verify;
  private final ClaimRequests claims;
  private final AnswerRequest answer;
  private final PublishResults publish;
  private final UnfinishedRequests unfinished;
  private final Map<TopicPartition, OffsetWatermark> watermarks = new ConcurrentHashMap<>();
  private final ExecutorService running =
      Executors.newThreadPerTaskExecutor(
          Thread.ofVirtual().name("pgoffload-request-", 0).factory());
  private volatile boolean closing;
  private long lastCommit = System.nanoTime();
  private long lastWatch = System.nanoTime();
  private long nextClaim = System.nanoTime();

  ConsumeRequests(
      WorkerConfiguration configuration,
      String topic,
      Consumer<byte[], byte[]> consumer,
      VerifyRequest verify,
      ClaimRequests claims,
      AnswerRequest answer,
      PublishResults publish,
      UnfinishedRequests unfinished) {
    this.configuration = configuration;
    this.topic = topic;
    this.consumer = consumer;
    this.verify = verify;
    this.claims = claims;
    this.answer = answer;
    this.publish = publish;
    this.unfinished = unfinished;
  }

  @Override
  public void run() {
    consumer.subscribe(List.of(topic), new Rebalance());
    while (!closing) {
      try {
        boolean atTheEdge = atTheEdge();
        if (atTheEdge) {
          consumer.pause(consumer.assignment());
        } else {
          consumer.resume(consumer.paused());
        }
        for (var record :
            consumer.poll(atTheEdge || unfinished.hasWaiting() ? POLL_AT_THE_EDGE : POLL)) {
          receive(record);
        }
        claimWaiting();
        watchHeld();
        commit();
      } catch (WakeupException e) {
        LOG.debug("Woken up to close", e);
      } catch (KafkaException e) {
        LOG.warn("Kafka could not be asked for requests; trying again: {}", e.toString());
        pauseAfterFault();
      }
    }
    drain();
  }

  /// Ends the lane: nothing more is begun, what runs may finish within the drain time, the rest is
  /// left for the next worker. Returns at once; [#run()] returns when it is done.
  void close() {
    closing = true;
    consumer.wakeup();
  }

  private boolean atTheEdge() {
    return unfinished.count() >= configuration.maxInFlight()
        || unfinished.bytes() >= configuration.maxBytesInFlight();
  }

  private void receive(ConsumerRecord<byte[], byte[]> record) {
    var partition = new TopicPartition(record.topic(), record.partition());
    var watermark =
        watermarks.computeIfAbsent(partition, added -> new OffsetWatermark(record.offset()));
    watermark.begin(record.offset());
    switch (verify.verify(record)) {
      case VerifyRequest.Verdict.Trusted trusted ->
          unfinished.received(
              new ReceivedRequest(
                  trusted.envelope(), record.value(), () -> watermark.finish(record.offset())));
      case VerifyRequest.Verdict.Refused refused -> {
        LOG.warn(
            "The record at {}@{} is not executed ({}: {}); it goes to the dead letters",
            partition,
            record.offset(),
            refused.reason().code(),
            refused.detail());
        running.execute(() -> {
          try {
            publish.deadLetter(record, refused.reason(), refused.detail());
            watermark.finish(record.offset());
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
      }
    }
  }

  private void claimWaiting() {
    while (unfinished.hasWaiting() && System.nanoTime() - nextClaim >= 0) {
      claim(unfinished.waiting(CLAIM_BATCH));
    }
  }

  /// What another worker held is asked for again, until it is answered or its holder is dead: Kafka
  /// never delivers it again, so that skipping it would lose it with its holder.
  private void watchHeld() {
    if (System.nanoTime() - lastWatch < WATCH_INTERVAL.toNanos()) {
      return;
    }
    lastWatch = System.nanoTime();
    var held = unfinished.held();
    for (int from = 0; from < held.size(); from += CLAIM_BATCH) {
      claim(held.subList(from, Math.min(held.size(), from + CLAIM_BATCH)));
    }
  }

  private void claim(List<ReceivedRequest> requests) {
    Map<Long, Claim> outcomes;
    try {
      outcomes = claims.claim(requests);
    } catch (SQLException e) {
      LOG.warn(
          "{} requests wait, because the database could not be asked: {}",
          requests.size(),
          e.getMessage());
      nextClaim = System.nanoTime() + Duration.ofMillis(500).toNanos();
      return;
    }
    for (var request : requests) {
      switch (outcomes.get(request.id())) {
        case Claim.Claimed claimed -> begin(request, claimed);
        case Claim.Held _ -> unfinished.heldElsewhere(request);
        case Claim.Answered _, Claim.Own _ -> unfinished.finish(request.id());
        case null ->
            throw new IllegalStateException("no claim came back for request " + request.id());
      }
    }
  }

  private void begin(ReceivedRequest request, Claim.Claimed claimed) {
    unfinished.running(request.id());
    running.execute(() -> {
      try {
        publish.result(result(request, claimed));
        unfinished.finish(request.id());
      } catch (InterruptedException e) {
        LOG.info("Request {} is left for the next worker", request.id());
        Thread.currentThread().interrupt();
      }
    });
  }

  private Result result(ReceivedRequest request, Claim.Claimed claimed)
      throws InterruptedException {
    try {
      return answer.answer(request.envelope(), claimed);
    } catch (RuntimeException e) {
      // the words of an exception may contain what was asked: its kind and place are enough
      LOG.error(
          "Request {} met a fault of the worker and ends as failed: {} at {}",
          request.id(),
          e.getClass().getName(),
          e.getStackTrace().length == 0 ? "?" : e.getStackTrace()[0]);
      return answer.fault(request.envelope(), claimed);
    }
  }

  private void commit() {
    if (System.nanoTime() - lastCommit < COMMIT_INTERVAL.toNanos()) {
      return;
    }
    lastCommit = System.nanoTime();
    var offsets = committable(watermarks.keySet());
    if (!offsets.isEmpty()) {
      consumer.commitAsync(
          offsets,
          (committed, exception) -> {
            if (exception != null) {
              LOG.debug("A commit failed; the next one covers it", exception);
            }
          });
      offsets.forEach((partition, offset) -> {
        var watermark = watermarks.get(partition);
        if (watermark != null) {
          watermark.committed(offset.offset());
        }
      });
    }
  }

  private Map<TopicPartition, OffsetAndMetadata> committable(
      Collection<TopicPartition> partitions) {
    var offsets = new HashMap<TopicPartition, OffsetAndMetadata>();
    for (var partition : partitions) {
      var watermark = watermarks.get(partition);
      if (watermark != null && watermark.hasAdvanced()) {
        offsets.put(partition, new OffsetAndMetadata(watermark.committable()));
      }
    }
    return offsets;
  }

  private void commitNow(Collection<TopicPartition> partitions) {
    var offsets = committable(partitions);
    if (!offsets.isEmpty()) {
      try {
        consumer.commitSync(offsets, Duration.ofSeconds(2));
      } catch (KafkaException e) {
        LOG.info(
            "Offsets could not be committed; what they cover is recognised by its claims: {}",
            e.toString());
      }
    }
  }

  private void pauseAfterFault() {
    try {
      Thread.sleep(200);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      closing = true;
    }
  }

  private void drain() {
    running.shutdown();
    try {
      if (!running.awaitTermination(configuration.drain().toMillis(), TimeUnit.MILLISECONDS)) {
        LOG.info("{} requests are left for the next worker", unfinished.running());
        running.shutdownNow();
        running.awaitTermination(1, TimeUnit.SECONDS);
      }
    } catch (InterruptedException e) {
      running.shutdownNow();
      Thread.currentThread().interrupt();
    }
    commitNow(List.copyOf(watermarks.keySet()));
    try {
      consumer.close(org.apache.kafka.clients.consumer.CloseOptions.timeout(Duration.ofSeconds(2)));
    } catch (KafkaException e) {
      LOG.info("The consumer did not leave its group in order: {}", e.toString());
    }
  }

  /// What runs goes on when its partition moves to another worker, which sees it as held.
  private final class Rebalance implements ConsumerRebalanceListener {
    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
      LOG.info("Reading from {}", partitions);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
      commitNow(partitions);
      onPartitionsLost(partitions);
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
      partitions.forEach(watermarks::remove);
    }
  }
}
