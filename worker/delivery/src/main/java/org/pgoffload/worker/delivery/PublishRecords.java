package org.pgoffload.worker.delivery;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.pgoffload.platform.HeaderText;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.platform.ProducerProperties;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.ResultMessage;
import org.pgoffload.protocol.TopicNames;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Publishes results and dead letters. A method returns once every in-sync replica has the record;
/// until then it tries again, so that nothing that was done is forgotten.
///
/// Safe to share between threads; made to be called on virtual threads.
public final class PublishRecords implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(PublishRecords.class);

  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(500);
  private static final Duration CLOSE = Duration.ofSeconds(1);

  private final Producer<byte[], byte[]> kafka;
  private final TopicNames topics;
  private final MeasureRequests measure;
  private volatile boolean closed;
  private volatile String lastFault = "";

  public PublishRecords(Map<String, Object> client, TopicNames topics, MeasureRequests measure) {
    this.kafka = new KafkaProducer<>(ProducerProperties.of(client, "pgoffload-worker", 300L << 20));
    this.topics = topics;
    this.measure = measure;
  }

  /// Publishes a result.
  ///
  /// @param ended what is measured of it
  /// @throws RecordTooLargeException if the topic does not take a record of its size
  /// @throws InterruptedException if the worker is closing; the result may or may not be published
  public void result(ResultMessage message, EndedRequest ended) throws InterruptedException {
    var record = record(message);
    MeasureRequests.trace(record);
    long begun = System.nanoTime();
    send(record);
    measure.published(ended, System.nanoTime() - begun);
  }

  /// Publishes a result as the database recorded it; it was measured before.
  ///
  /// @throws RecordTooLargeException as [#result]
  /// @throws InterruptedException as [#result]
  public void recordedResult(long id, String json) throws InterruptedException {
    var record =
        new ProducerRecord<>(
            topics.results(), HeaderText.bytes(Long.toString(id)), HeaderText.bytes(json));
    MeasureRequests.trace(record);
    send(record);
  }

  /// Begins to publish a chunk of the rows of a request, which need not be stored by others.
  ///
  /// @return done when every in-sync replica has it
  public Future<?> beginStoredRows(long id, byte[] rows) {
    var record = new ProducerRecord<>(topics.results(), HeaderText.bytes(Long.toString(id)), rows);
    record.headers().add(RecordHeaders.STORED, HeaderText.bytes("true"));
    return begin(record);
  }

  /// Begins to publish a record.
  ///
  /// @return done when every in-sync replica has it
  public Future<?> begin(ProducerRecord<byte[], byte[]> record) {
    try {
      return kafka.send(record);
    } catch (KafkaException | IllegalStateException e) {
      if (e instanceof InterruptException) {
        Thread.currentThread().interrupt();
      }
      return CompletableFuture.failedFuture(e);
    }
  }

  /// Publishes what may not be executed, with its original bytes and headers.
  ///
  /// @throws InterruptedException if the worker is closing
  public void deadLetter(
      ConsumerRecord<byte[], byte[]> record, DeadLetterReason reason, String detail)
      throws InterruptedException {
    var letter = new ProducerRecord<>(topics.deadLetters(), record.key(), record.value());
    record.headers().forEach(header -> letter.headers().add(header));
    explain(letter, record, reason, detail);
    measure.deadLetter(reason);
    try {
      send(letter);
    } catch (RecordTooLargeException e) {
      // the headers have made it too large; its origin says where the whole record is
      var without = new ProducerRecord<byte[], byte[]>(topics.deadLetters(), new byte[0]);
      explain(without, record, reason, detail + "; too large to be kept here");
      send(without);
    }
  }

  private static void explain(
      ProducerRecord<?, ?> letter,
      ConsumerRecord<byte[], byte[]> record,
      DeadLetterReason reason,
      String detail) {
    letter
        .headers()
        .add(RecordHeaders.REASON, HeaderText.bytes(reason.code()))
        .add(RecordHeaders.REASON_DETAIL, HeaderText.bytes(detail))
        .add(
            RecordHeaders.ORIGIN,
            HeaderText.bytes(record.topic() + "-" + record.partition() + "@" + record.offset()));
  }

  private ProducerRecord<byte[], byte[]> record(ResultMessage message) {
    return new ProducerRecord<>(
        topics.results(), HeaderText.bytes(message.recordKey()), message.write());
  }

  /// An interrupt does not end the first try: what was paid for is published even at the end of a
  /// drain. It ends the trying again, and closing ends both.
  private void send(ProducerRecord<byte[], byte[]> record) throws InterruptedException {
    boolean interrupted = false;
    try {
      while (true) {
        interrupted |= Thread.interrupted();
        Throwable fault;
        try {
          awaitAcknowledgement(kafka.send(record));
          lastFault = "";
          return;
        } catch (InterruptException e) {
          if (closed) {
            throw new InterruptedException("closed before the record was taken");
          }
          continue;
        } catch (ExecutionException e) {
          fault = e.getCause();
        } catch (KafkaException | IllegalStateException e) {
          fault = e;
        }
        if (fault instanceof RecordTooLargeException tooLarge) {
          throw tooLarge;
        }
        interrupted |= Thread.interrupted();
        if (closed || interrupted) {
          throw new InterruptedException("closing, before the record was taken");
        }
        complain(record.topic(), fault == null ? "" : KafkaFault.words(fault));
        Thread.sleep(PAUSE_AFTER_FAULT);
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /// Is not interrupted, and leaves the interrupt for afterwards.
  private static void awaitAcknowledgement(Future<RecordMetadata> sent) throws ExecutionException {
    boolean interrupted = false;
    try {
      while (true) {
        try {
          sent.get();
          return;
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private void complain(String topic, String fault) {
    // thousands of requests may meet the same fault
    if (!fault.equals(lastFault)) {
      lastFault = fault;
      LOG.warn("Kafka did not take a record for {}; trying again: {}", topic, fault);
    }
  }

  /// What is still being sent has a second.
  @Override
  public void close() {
    closed = true;
    kafka.close(CLOSE);
  }
}
