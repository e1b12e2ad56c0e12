package org.pgoffload.worker.delivery;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.common.KafkaException;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.platform.KeepPositions;
import org.pgoffload.telemetry.BrokerConnections;
import org.pgoffload.worker.delivery.offsets.CommitOffsets;
import org.pgoffload.worker.delivery.trust.VerifyRequest;
import org.pgoffload.worker.delivery.waiting.SeenPartitions;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Consumes the requests of one handler: a single thread polls, verifies and claims; each claimed
/// request runs on a virtual thread of its own and they finish in any order; offsets are committed
/// below the lowest unfinished request only.
///
/// While too many requests are unfinished, or their records take too much memory, the partitions
/// are paused. What is verified is handed to [DeliverRequests].
final class ConsumeRequests implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(ConsumeRequests.class);

  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration POLL_WHILE_UNDECIDED = Duration.ofMillis(2);
  private static final Duration POLL_WITHOUT_DATABASE = Duration.ofMillis(50);
  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(500);

  /// Records of unknown keys may be garbage: they must not make the database busy.
  private static final Duration BETWEEN_KEY_READS = Duration.ofMillis(500);

  private static final Duration CLOSE = Duration.ofSeconds(1);

  private final DeliverySettings settings;
  private final RequestQueue queue;
  private final DeliverRequests<?> deliver;
  private final Supplier<Consumer<byte[], byte[]>> open;
  private final JudgeRecord judge;
  private final int most = PendingRequests.most();

  private final KeepPositions positions;
  private final SeenPartitions seen;
  private Consumer<byte[], byte[]> consumer;
  private CommitOffsets offsets;
  private volatile BrokerConnections connections;

  private final List<Undecided> undecided = new ArrayList<>();
  private long undecidedBytes;
  private volatile boolean closing;
  private volatile boolean reopening;
  private boolean drained;
  private long nextKeyRead = System.nanoTime();
  private final Complaint complaint = new Complaint(LOG);

  /// The last round went well.
  private volatile boolean works;

  /// A record whose key is not known until the keys have been read again.
  private record Undecided(ConsumerRecord<byte[], byte[]> record, Runnable finish) {}

  /// @param open opens a consumer: at once, and again whenever the last one was given up
  /// @param positions where the database keeps them
  /// @param seen is told of the partitions
  ConsumeRequests(
      DeliverySettings settings,
      DeliverRequests<?> deliver,
      Supplier<Consumer<byte[], byte[]>> open,
      JudgeRecord judge,
      KeepPositions positions,
      SeenPartitions seen) {
    this.settings = settings;
    this.deliver = deliver;
    this.queue = deliver.queue();
    this.open = open;
    this.judge = judge;
    this.positions = positions;
    this.seen = seen;
    this.consumer = open.get();
    this.offsets = new CommitOffsets(consumer, positions, deliver::lost);
    this.connections = BrokerConnections.of(consumer.metrics().values());
  }

  /// Works until it is closed. A fault of Kafka, of the database or of its own is waited out.
  @Override
  public void run() {
    do {
      consume();
    } while (openAgain());
  }

  /// @return false if it was closed meanwhile
  private boolean openAgain() {
    while (!closing) {
      try {
        consumer = open.get();
        positions.begin();
        offsets = new CommitOffsets(consumer, positions, deliver::lost);
        connections = BrokerConnections.of(consumer.metrics().values());
        return true;
      } catch (KafkaException e) {
        complaint.of("No consumer of requests could be opened: " + KafkaFault.words(e));
        pauseAfterFault();
      }
    }
    drain();
    return false;
  }

  /// With one consumer, until it is to be closed.
  private void consume() {
    if (reopening) {
      reopening = false;
      deliver.failedOver();
    }
    try {
      consumer.subscribe(List.of(queue.topic()), offsets);
      while (!closing && !reopening) {
        try {
          var records = poll();
          for (var record : records) {
            receive(record);
          }
          offsets.polled(records);
          decide();
          deliver.round(positions.token());
          if (!deliver.hasDatabase()) {
            positions.doubt();
          }
          offsets.commitIfDue();
          seen.look(consumer, atTheEdge());
          reopening |= positions.isOutdated();
          complaint.end();
          works = deliver.hasDatabase();
        } catch (KafkaException e) {
          works = false;
          complaint.of(
              "Kafka could not be asked for requests; trying again: " + KafkaFault.words(e));
          pauseAfterFault();
        } catch (RuntimeException e) {
          works = false;
          LOG.error(
              "The consumer of {} met a fault and goes on; the requests that it has are kept",
              queue.topic(),
              e);
          pauseAfterFault();
        }
      }
    } finally {
      end();
    }
  }

  /// Ends: nothing more is begun, what runs may finish within the drain time, the rest is left for
  /// the next worker. Returns at once; [#run()] returns when it is done.
  public void close() {
    // no wakeup of the consumer: it polls briefly, and a wakeup would hit the last commit
    closing = true;
  }

  /// Gives the consumer up and opens another, because the database was failed over: it goes back to
  /// where the database knows it to have come. What runs goes on, and what waits is forgotten and
  /// read again. Returns at once.
  void reopen() {
    reopening = true;
  }

  private ConsumerRecords<byte[], byte[]> poll() {
    if (!positions.decide(consumer)) {
      return consumer.poll(POLL_WITHOUT_DATABASE);
    }
    boolean atTheEdge = atTheEdge();
    // only what changes: each call waits for the consumer's own thread
    if (!atTheEdge) {
      if (!consumer.paused().isEmpty()) {
        consumer.resume(consumer.paused());
      }
    } else if (!consumer.paused().containsAll(consumer.assignment())) {
      consumer.pause(consumer.assignment());
    }
    var whileWaiting = deliver.pollWhileWaiting();
    if (!atTheEdge && whileWaiting.isEmpty() && undecided.isEmpty()) {
      return consumer.poll(POLL);
    }
    boolean withoutDatabase = !deliver.hasDatabase() || System.nanoTime() - nextKeyRead < 0;
    return consumer.poll(
        withoutDatabase ? POLL_WITHOUT_DATABASE : whileWaiting.orElse(POLL_WHILE_UNDECIDED));
  }

  /// Whether it consumes: a broker answers, and the database too if it had to be asked.
  public boolean works() {
    return works && !connections.none();
  }

  private boolean atTheEdge() {
    return deliver.count() + undecided.size() >= most
        || deliver.bytes() + undecidedBytes >= settings.maxBytesInFlight();
  }

  /// Must not throw: the consumer has moved past the record, and it would never come again.
  private void receive(ConsumerRecord<byte[], byte[]> record) {
    var finish = offsets.begin(record);
    act(record, finish, judge.verdict(record, false));
  }

  private void act(
      ConsumerRecord<byte[], byte[]> record, Runnable finish, VerifyRequest.Verdict verdict) {
    var request =
        switch (verdict) {
          case VerifyRequest.Verdict.Trusted(var envelope) ->
              judge.trusted(record, envelope, finish);
          case VerifyRequest.Verdict.Refused refused -> judge.refused(record, refused, finish);
          case VerifyRequest.Verdict.UnknownKey _ -> {
            undecided.add(new Undecided(record, finish));
            undecidedBytes += RunRequests.size(record);
            yield null;
          }
        };
    if (request != null) {
      deliver.received(request);
    }
  }

  /// A record is refused for its key only by keys that were read after it came: it may be the first
  /// of a new key.
  private void decide() {
    if (undecided.isEmpty() || System.nanoTime() - nextKeyRead < 0) {
      return;
    }
    nextKeyRead = System.nanoTime() + BETWEEN_KEY_READS.toNanos();
    try {
      judge.readKeysAgain();
    } catch (SQLException e) {
      complaint.of(
          undecided.size()
              + " records of unknown keys wait, because the keys could not be read again: "
              + e.getMessage());
      return;
    }
    for (var each : undecided) {
      act(each.record, each.finish, judge.verdict(each.record, true));
    }
    undecided.clear();
    undecidedBytes = 0;
  }

  private void pauseAfterFault() {
    pause(PAUSE_AFTER_FAULT);
  }

  private void pause(Duration duration) {
    try {
      Thread.sleep(duration);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      closing = true;
    }
  }

  private void drain() {
    if (!drained) {
      drained = true;
      deliver.drain(settings.drain());
    }
  }

  private void end() {
    works = false;
    if (closing || !reopening) {
      drain();
    }
    offsets.commitNow();
    try {
      consumer.close(CloseOptions.timeout(CLOSE));
    } catch (KafkaException e) {
      LOG.info("The consumer did not leave its group in order: {}", e.toString());
    }
    // it has told so, unless it was closed while no broker answered
    offsets.loseAll();
    undecided.clear();
    undecidedBytes = 0;
  }
}
