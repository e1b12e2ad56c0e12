package org.pgoffload.producer;

import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.connect.source.SourceRecord;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.HeaderText;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.telemetry.CountDeadLetters;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.telemetry.TraceHeaders;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Sends captured records to Kafka, and acknowledges to the database, in order, the records that
/// Kafka has acknowledged.
///
/// Sends are pipelined: waiting for each would cost four fifths of the throughput. Debezium's
/// committer is not synchronised, so acknowledgements are collected by Kafka's thread and passed on
/// by the engine's own, with the next record and at the latest with the next heartbeat. A failed
/// send ends the engine without an acknowledgement: the record is captured again after the restart.
/// A record that no topic will ever take (any role can emit such a message) becomes a dead letter
/// without its content, or it would be captured again for ever.
///
/// One instance serves one run of the engine. Longer than 300 lines because the two threads that
/// share its state are to be read together.
final class PublishCaptured
    implements DebeziumEngine.ChangeConsumer<ChangeEvent<SourceRecord, SourceRecord>> {
  private static final Logger LOG = LoggerFactory.getLogger(PublishCaptured.class);

  /// What may be on its way to Kafka: compressed in the client's buffer, it is whole in memory
  /// here.
  private static final long MOST_BYTES_UNACKNOWLEDGED = 64L << 20;

  /// Of the headers of what no topic takes.
  private static final List<String> KEPT = List.of(RecordHeaders.SIGNATURE, RecordHeaders.ORIGIN);

  private static final int LONGEST_HEADER = 1024;

  /// A broker that is taken over by another, or starts again, takes as long.
  static final Duration LONG = Duration.ofSeconds(15);

  private final Producer<byte[], byte[]> kafka;
  private final TopicNames topics;
  private final long mostBytes;
  private final ReentrantLock lock = new ReentrantLock();

  /// Something was acknowledged or refused.
  private final Condition answered = lock.newCondition();

  private final MeterRegistry metrics;
  private final CountDeadLetters deadLetters;
  private final Tracer tracer;

  // for the engine's thread alone
  private final Map<String, Counter> captured = new HashMap<>();
  private final ArrayDeque<Sent> unacknowledged = new ArrayDeque<>();
  private long unacknowledgedBytes;

  /// Since when the oldest has waited for Kafka, by `System.nanoTime`; 0 if none does.
  private volatile long waitingSince;

  /// Set after what it tells of: thousands may be on their way, and are not looked through each
  /// time.
  private volatile boolean someTooLarge;

  // guarded by the lock
  private @Nullable Exception failure;

  PublishCaptured(Producer<byte[], byte[]> kafka, TopicNames topics, Telemetry telemetry) {
    this(kafka, topics, MOST_BYTES_UNACKNOWLEDGED, telemetry);
  }

  PublishCaptured(
      Producer<byte[], byte[]> kafka, TopicNames topics, long mostBytes, Telemetry telemetry) {
    this.kafka = kafka;
    this.topics = topics;
    this.mostBytes = mostBytes;
    this.metrics = telemetry.metrics();
    this.tracer = telemetry.tracer();
    this.deadLetters = new CountDeadLetters(metrics);
  }

  /// @throws DeliveryFailedException if Kafka did not take a record
  /// @throws InterruptedException if the engine is being closed
  @Override
  public void handleBatch(
      List<ChangeEvent<SourceRecord, SourceRecord>> events,
      DebeziumEngine.RecordCommitter<ChangeEvent<SourceRecord, SourceRecord>> committer)
      throws InterruptedException {
    for (var event : events) {
      waitForRoom(committer);
      send(event);
    }
    replaceTooLarge();
    acknowledge(committer);
  }

  /// Why Kafka is to be looked at: it has not taken a record for long, nor refused it. Its client
  /// tries again for minutes, and without a word while it waits for an id of its own.
  Optional<String> isStuck(Duration patience) {
    long since = waitingSince;
    return since != 0 && System.nanoTime() - since > patience.toNanos()
        ? Optional.of(
            "Kafka has taken no captured request for more than "
                + patience.toSeconds()
                + " s, and is asked again: too few replicas may be in sync, as pgoffload status says"
                + " (check replicas)")
        : Optional.empty();
  }

  private void send(ChangeEvent<SourceRecord, SourceRecord> event) {
    var captured = event.value();
    var sent = new Sent(event, captured.value() instanceof byte[] value ? value.length : 0);
    unacknowledged.add(sent);
    if (waitingSince == 0) {
      waitingSince = sent.at;
    }
    unacknowledgedBytes += sent.size;
    if (captured.topic().equals(topics.heartbeats())) {
      sent.acknowledged = true;
    } else if (captured.value() instanceof byte[] value) {
      var record = record(captured, value);
      count(record);
      trace(sent, record);
      send(sent, record);
    } else {
      // neither a request nor a dead letter, for the transform makes bytes of both
      LOG.warn(
          "Something of topic {} was captured that is no request; it is left out",
          captured.topic());
      sent.acknowledged = true;
    }
  }

  private void count(ProducerRecord<byte[], byte[]> record) {
    captured
        .computeIfAbsent(
            record.topic(),
            topic ->
                Counter.builder("pgoffload.captured")
                    .description(
                        "Records captured; those of a transaction come again after a fault")
                    .tag("topic", topic)
                    .register(metrics))
        .increment();
    var reason = HeaderText.read(record.headers(), RecordHeaders.REASON);
    if (reason != null) {
      deadLetters.count(reason);
    }
  }

  private void trace(Sent sent, ProducerRecord<byte[], byte[]> record) {
    var parent = TraceHeaders.read(record.headers());
    sent.span =
        TraceHeaders.span(tracer, "publish", record.topic(), parent)
            .setSpanKind(SpanKind.PRODUCER)
            .startSpan();
    TraceHeaders.write(parent.with(sent.span), record.headers());
  }

  private void send(Sent sent, ProducerRecord<byte[], byte[]> record) {
    var _ = kafka.send(record, (metadata, exception) -> answered(sent, record, exception));
  }

  /// On Kafka's thread, which must not send, because that may wait.
  private void answered(
      Sent sent, ProducerRecord<byte[], byte[]> record, @Nullable Exception exception) {
    lock.lock();
    try {
      if (exception == null) {
        sent.acknowledged = true;
        sent.span.end();
      } else if (exception instanceof RecordTooLargeException && record.value().length > 0) {
        sent.tooLarge = record;
        someTooLarge = true;
      } else {
        sent.span.setStatus(StatusCode.ERROR, exception.getClass().getName());
        sent.span.end();
        if (failure == null) {
          failure = exception;
        }
      }
      answered.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void replaceTooLarge() {
    if (!someTooLarge) {
      return;
    }
    someTooLarge = false;
    for (var sent : unacknowledged) {
      var record = sent.tooLarge;
      if (record != null) {
        sent.tooLarge = null;
        LOG.error(
            "A message of {} bytes is larger than topic {} takes; it goes to the dead letters without"
                + " its content",
            sent.size,
            record.topic());
        send(sent, deadLetter(record, sent.size));
      }
    }
  }

  private ProducerRecord<byte[], byte[]> deadLetter(
      ProducerRecord<byte[], byte[]> record, int size) {
    // neither the key nor any other header, which may be what is too large
    var letter = new ProducerRecord<byte[], byte[]>(topics.deadLetters(), new byte[0]);
    for (var kept : KEPT) {
      record
          .headers()
          .headers(kept)
          .forEach(header -> {
            if (header.value() != null && header.value().length <= LONGEST_HEADER) {
              letter.headers().add(header);
            }
          });
    }
    letter.headers().add(RecordHeaders.REASON, HeaderText.bytes(DeadLetterReason.MALFORMED.code()));
    letter
        .headers()
        .add(
            RecordHeaders.REASON_DETAIL,
            HeaderText.bytes(
                size
                    + " bytes, larger than topic "
                    + record.topic()
                    + " takes; run pgoffload install after raising max_request_bytes"));
    return letter;
  }

  /// Bounds the memory while Kafka is slow or away.
  private void waitForRoom(
      DebeziumEngine.RecordCommitter<ChangeEvent<SourceRecord, SourceRecord>> committer)
      throws InterruptedException {
    while (unacknowledgedBytes > mostBytes) {
      lock.lock();
      try {
        while (failure == null && !isAnswered(unacknowledged.element())) {
          answered.await();
        }
      } finally {
        lock.unlock();
      }
      replaceTooLarge();
      acknowledge(committer);
    }
  }

  private static boolean isAnswered(Sent sent) {
    return sent.acknowledged || sent.tooLarge != null;
  }

  private void acknowledge(
      DebeziumEngine.RecordCommitter<ChangeEvent<SourceRecord, SourceRecord>> committer)
      throws InterruptedException {
    lock.lock();
    try {
      if (failure != null) {
        throw new DeliveryFailedException(failure);
      }
    } finally {
      lock.unlock();
    }
    boolean advanced = false;
    while (!unacknowledged.isEmpty() && unacknowledged.element().acknowledged) {
      var sent = unacknowledged.remove();
      unacknowledgedBytes -= sent.size;
      committer.markProcessed(sent.event);
      advanced = true;
    }
    waitingSince = unacknowledged.isEmpty() ? 0 : unacknowledged.element().at;
    if (advanced) {
      committer.markBatchFinished();
    }
  }

  private static ProducerRecord<byte[], byte[]> record(SourceRecord captured, byte[] value) {
    ProducerRecord<byte[], byte[]> record =
        captured.key() instanceof String key
            ? new ProducerRecord<>(captured.topic(), HeaderText.bytes(key), value)
            : new ProducerRecord<>(captured.topic(), value);
    captured
        .headers()
        .forEach(header ->
            record.headers().add(header.key(), HeaderText.bytes(String.valueOf(header.value()))));
    return record;
  }

  /// A captured record on its way to Kafka; what became of it is set by Kafka's thread.
  private static final class Sent {
    final ChangeEvent<SourceRecord, SourceRecord> event;
    final int size;
    final long at = System.nanoTime();
    Span span = Span.getInvalid();
    volatile boolean acknowledged;
    volatile @Nullable ProducerRecord<byte[], byte[]> tooLarge;

    Sent(ChangeEvent<SourceRecord, SourceRecord> event, int size) {
      this.event = event;
      this.size = size;
    }
  }
}
