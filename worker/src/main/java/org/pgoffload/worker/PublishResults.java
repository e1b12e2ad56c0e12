package org.pgoffload.worker;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.TopicNames;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Publishes results and dead letters. A method returns once every in-sync replica has the record;
/// until then it tries again, so that nothing that was done is forgotten.
///
/// Safe to share between threads; made to be called on virtual threads.
final class PublishResults implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(PublishResults.class);

  private final Producer<byte[], byte[]> kafka;
  private final TopicNames topics;

  PublishResults(Map<String, Object> client, TopicNames topics) {
    this.kafka = new KafkaProducer<>(properties(client));
    this.topics = topics;
  }

  /// Publishes a result. One that is larger than the topic takes becomes a failed one.
  ///
  /// @throws InterruptedException if the worker is closing; the result may or may not be published
  void result(Result result) throws InterruptedException {
    try {
      send(record(result));
    } catch (RecordTooLargeException e) {
      LOG.warn(
          "The answer to request {} is larger than the results topic takes; it ends as failed",
          result.id());
      sendFailure(result);
    }
  }

  /// Publishes what may not be executed, with its original bytes and headers.
  ///
  /// @throws InterruptedException if the worker is closing
  void deadLetter(ConsumerRecord<byte[], byte[]> record, DeadLetterReason reason, String detail)
      throws InterruptedException {
    var letter = new ProducerRecord<>(topics.deadLetters(), record.key(), record.value());
    record.headers().forEach(header -> letter.headers().add(header));
    letter.headers().add(RecordHeaders.REASON, utf8(reason.code()));
    letter.headers().add(RecordHeaders.REASON_DETAIL, utf8(detail));
    letter
        .headers()
        .add(
            RecordHeaders.ORIGIN,
            utf8(record.topic() + "-" + record.partition() + "@" + record.offset()));
    send(letter);
  }

  private ProducerRecord<byte[], byte[]> record(Result result) {
    return new ProducerRecord<>(topics.results(), utf8(result.recordKey()), result.write());
  }

  private void sendFailure(Result tooLarge) throws InterruptedException {
    send(
        record(
            tooLarge.withFailure(
                "answer_too_large",
                "the model's answer is larger than the results topic takes; ask with a lower max_output_tokens")));
  }

  private void send(ProducerRecord<byte[], byte[]> record) throws InterruptedException {
    while (true) {
      try {
        kafka.send(record).get();
        return;
      } catch (ExecutionException e) {
        if (e.getCause() instanceof RecordTooLargeException tooLarge) {
          throw tooLarge;
        }
        LOG.warn(
            "Kafka did not take a record for {}; trying again: {}",
            record.topic(),
            String.valueOf(e.getCause()));
        Thread.sleep(500);
      }
    }
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static Map<String, Object> properties(Map<String, Object> client) {
    var properties = new HashMap<>(client);
    properties.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
    properties.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
    // an answer that was paid for is safe before its request counts as finished
    properties.put(ProducerConfig.ACKS_CONFIG, "all");
    properties.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
    // Kafka 4's default of 5 ms would be most of a round trip; under load batches fill by
    // themselves
    properties.put(ProducerConfig.LINGER_MS_CONFIG, 0);
    properties.put(ProducerConfig.BATCH_SIZE_CONFIG, 128 << 10);
    properties.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
    // the topics are the limit
    properties.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, 256 << 20);
    properties.put(ProducerConfig.BUFFER_MEMORY_CONFIG, 300L << 20);
    properties.putIfAbsent(ProducerConfig.CLIENT_ID_CONFIG, "pgoffload-worker");
    return properties;
  }

  @Override
  public void close() {
    kafka.close(java.time.Duration.ofSeconds(2));
  }
}
