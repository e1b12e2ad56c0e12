package org.pgoffload.producer;

import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.connect.source.SourceRecord;
import org.jspecify.annotations.Nullable;

/// Sends what was captured, and acknowledges to the database only what Kafka has acknowledged, in
/// order.
///
/// Sends are pipelined: waiting for each would cost four fifths of the throughput. Debezium's
/// committer is not synchronised, so acknowledgements are collected by Kafka's thread and passed on
/// by the engine's own, with the next record and at the latest with the next heartbeat. A failed
/// send ends the engine with nothing of it acknowledged: it is captured again after the restart.
///
/// One instance serves one run of the engine.
final class PublishCaptured
    implements DebeziumEngine.ChangeConsumer<ChangeEvent<SourceRecord, SourceRecord>> {
  private static final String HEARTBEAT_TOPIC_PREFIX = "__debezium-heartbeat";

  private final Producer<byte[], byte[]> kafka;
  private final ArrayDeque<Sent> unacknowledged = new ArrayDeque<>();
  private final AtomicReference<@Nullable Exception> failure = new AtomicReference<>();

  PublishCaptured(Producer<byte[], byte[]> kafka) {
    this.kafka = kafka;
  }

  @Override
  public void handleBatch(
      List<ChangeEvent<SourceRecord, SourceRecord>> events,
      DebeziumEngine.RecordCommitter<ChangeEvent<SourceRecord, SourceRecord>> committer)
      throws InterruptedException {
    for (var event : events) {
      var sent = new Sent(event);
      unacknowledged.add(sent);
      if (event.value().topic().startsWith(HEARTBEAT_TOPIC_PREFIX)) {
        sent.acknowledged = true;
      } else {
        kafka.send(
            record(event.value()),
            (metadata, exception) -> {
              if (exception == null) {
                sent.acknowledged = true;
              } else {
                failure.compareAndSet(null, exception);
              }
            });
      }
    }
    var failed = failure.get();
    if (failed != null) {
      throw new DeliveryFailedException(failed);
    }
    boolean advanced = false;
    while (!unacknowledged.isEmpty() && unacknowledged.peek().acknowledged) {
      committer.markProcessed(unacknowledged.remove().event);
      advanced = true;
    }
    if (advanced) {
      committer.markBatchFinished();
    }
  }

  private static ProducerRecord<byte[], byte[]> record(SourceRecord captured) {
    var record =
        new ProducerRecord<>(
            captured.topic(),
            captured.key() == null
                ? null
                : ((String) captured.key()).getBytes(StandardCharsets.UTF_8),
            (byte[]) captured.value());
    captured
        .headers()
        .forEach(header ->
            record
                .headers()
                .add(
                    header.key(), String.valueOf(header.value()).getBytes(StandardCharsets.UTF_8)));
    return record;
  }

  /// A captured record on its way to Kafka; the flag is set by Kafka's thread.
  private static final class Sent {
    final ChangeEvent<SourceRecord, SourceRecord> event;
    volatile boolean acknowledged;

    Sent(ChangeEvent<SourceRecord, SourceRecord> event) {
      this.event = event;
    }
  }
}
